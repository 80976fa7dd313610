// SPDX-License-Identifier: Apache-2.0
//
// Arduino. The link is Serial: USB where the board has it (its speed means nothing then), else the UART.
// Nothing else may print there.
//
// The counter is the processor's cycle counter where there is one, else micros(), extended to 64 bits.
//
// On AVR the processor sleeps until the next byte or the next millisecond, and the stack's use is measured:
// it grows towards the data, and nothing but this would tell that they met.
#include "edgekit/ek_port.h"

#include <Arduino.h>

#include "ek_board.h"

#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#include "ek_dwt.h"
#define EK_PORT_COUNTS_CYCLES 1
#else
#define EK_PORT_COUNTS_CYCLES 0
#endif

#if defined(__AVR__)
#include <avr/interrupt.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#endif

#ifndef EK_BOARD_BAUD
#define EK_BOARD_BAUD 115200
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
    cli();
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
#endif
}

void wait_for_byte() {
#if defined(__AVR__)
    set_sleep_mode(SLEEP_MODE_IDLE);
    cli();
    if (Serial.available() == 0) {
        sleep_enable();
        sei(); // takes effect after the next instruction: no byte can come unnoticed before the sleep
        sleep_cpu();
        sleep_disable();
    }
    sei();
#endif
    yield();
}

} // namespace

#if defined(__AVR__)
// The linker's names for the end of the data and of RAM.
extern "C" uint8_t _end;
extern "C" uint8_t __stack;

static const uint8_t unused_stack = 0xa5;

// Runs before the data is set up, in the midst of the start-up code: hence no call and no return.
extern "C" void ek_arduino_start(void) __attribute__((naked, used, section(".init3")));

void ek_arduino_start(void) {
    // A watchdog that has reset the chip still runs, with its shortest period.
    MCUSR = 0;
    wdt_disable();
    for (uint8_t *byte = &_end; byte <= &__stack; byte++) {
        *byte = unused_stack;
    }
}
#endif

void ek_port_init(void) {
#if EK_PORT_COUNTS_CYCLES
    (void)ek_dwt_start();
#endif
    Serial.begin(EK_BOARD_BAUD);
}

int ek_port_read_byte(void) {
    int byte = Serial.read();
    while (byte < 0) {
        wait_for_byte();
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
#if defined(__AVR__)
    const uint8_t *lowest = &_end;
    while (lowest <= &__stack && *lowest == unused_stack) {
        lowest++;
    }
    return static_cast<uint32_t>(&__stack - lowest + 1);
#else
    return 0; // the core's start-up code has used the stack before us
#endif
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    delay(drain_ms);
    restart();
}
