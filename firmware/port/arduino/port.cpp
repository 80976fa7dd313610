// SPDX-License-Identifier: Apache-2.0
//
// Arduino. The link is Serial: USB where the board has it (its speed means nothing then), else the UART.
// Nothing else may print there.
//
// The counter is the processor's cycle counter where there is one, else micros(), extended to 64 bits.
#include "edgekit/ek_port.h"

#include <Arduino.h>

#include "ek_board.h"

#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#include "ek_dwt.h"
#define EK_PORT_COUNTS_CYCLES 1
#else
#define EK_PORT_COUNTS_CYCLES 0
#endif

#ifndef EK_PORT_BAUD
#define EK_PORT_BAUD 115200
#endif

namespace {

constexpr unsigned long drain_ms = 20; // a host fetches the last reply over USB

#if !EK_PORT_COUNTS_CYCLES
uint32_t last_us = 0;
uint32_t wraps = 0;

uint64_t nanoseconds() {
    const uint32_t now_us = micros();
    wraps += now_us < last_us ? 1 : 0; // every 71 minutes
    last_us = now_us;
    return ((static_cast<uint64_t>(wraps) << 32) | now_us) * 1000u;
}
#endif

void restart() {
#if defined(__arm__)
    NVIC_SystemReset();
#elif defined(__AVR__)
    // A jump to address 0 would leave the peripherals as they are: the watchdog resets the chip.
    MCUSR = 0;
    WDTCSR = _BV(WDCE) | _BV(WDE);
    WDTCSR = _BV(WDE);
    for (;;) {
    }
#endif
}

} // namespace

void ek_port_init(void) {
#if EK_PORT_COUNTS_CYCLES
    (void)ek_dwt_start();
#endif
    Serial.begin(EK_PORT_BAUD);
}

int ek_port_read_byte(void) {
    int byte = Serial.read();
    while (byte < 0) {
        yield();
        byte = Serial.read();
    }
    return byte;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    (void)Serial.write(data, size_bytes);
}

void ek_port_flush(void) {
    Serial.flush();
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_PORT_COUNTS_CYCLES ? EK_TICKS_CYCLES : EK_TICKS_NANOSECONDS;
}

uint64_t ek_port_ticks(void) {
#if EK_PORT_COUNTS_CYCLES
    return ek_dwt_cycles();
#else
    return nanoseconds();
#endif
}

uint32_t ek_port_clock_hz(void) {
    return EK_BOARD_CLOCK_HZ;
}

uint32_t ek_port_stack_used_bytes(void) {
    return 0; // the core's start-up code has used the stack before us
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    delay(drain_ms);
    restart();
}
