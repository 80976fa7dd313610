/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raspberry Pi Pico SDK 2.x, RP2040 and RP2350. The link is the SDK's stdio, which CMakeLists.txt puts on
 * USB or on the default UART, with the translation of line ends off. The program itself prints nothing.
 *
 * The counter is SysTick (RP2040 datasheet, 2.4.5.1.1; RP2350 datasheet, 3.7.2.2): 24 bits at the
 * processor's clock, extended to 64 by its exception.
 */
#include "edgekit/ek_port.h"

#include "hardware/clocks.h"
#include "hardware/exception.h"
#include "hardware/structs/scb.h"
#include "hardware/structs/systick.h"
#include "hardware/sync.h"
#include "hardware/watchdog.h"
#include "pico/stdlib.h"

#include "ek_board.h"

#define SYSTICK_BITS   24u
#define SYSTICK_MASK   ((1u << SYSTICK_BITS) - 1u)
#define SYSTICK_ENABLE 7u /* processor clock, exception, count */
#define ICSR_PENDSTSET (1u << 26)
#define STACK_PAINT    0xC5C5A5A5u
#define READ_WAIT_US   1000000u
/* Long enough for a host to fetch the last reply over USB. */
#define RESET_DELAY_MS 20u

/* Given by the SDK's linker scripts; only the addresses mean anything. */
extern uint32_t __StackBottom[], __StackTop[];

static volatile uint32_t wraps;

static void on_systick(void) {
    ++wraps;
}

static void paint_stack(void) {
    uint32_t *stack_pointer;
    __asm__ volatile("mov %0, sp" : "=r"(stack_pointer));
    /* Without interrupts: they use the same stack. */
    const uint32_t interrupts = save_and_disable_interrupts();
    for (volatile uint32_t *word = __StackBottom; word < stack_pointer; ++word) {
        *word = STACK_PAINT;
    }
    restore_interrupts(interrupts);
}

void ek_port_init(void) {
    paint_stack();
    (void)stdio_init_all();
    exception_set_exclusive_handler(SYSTICK_EXCEPTION, on_systick);
    systick_hw->rvr = SYSTICK_MASK;
    systick_hw->cvr = 0;
    systick_hw->csr = SYSTICK_ENABLE;
}

int ek_port_read_byte(void) {
    int byte;
    do {
        byte = stdio_getchar_timeout_us(READ_WAIT_US);
    } while (byte < 0);
    return byte;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    (void)stdio_put_string((const char *)data, (int)size_bytes, false, false);
}

void ek_port_flush(void) {
    stdio_flush();
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    const uint32_t interrupts = save_and_disable_interrupts();
    uint32_t full_periods = wraps;
    uint32_t current = systick_hw->cvr;
    if ((scb_hw->icsr & ICSR_PENDSTSET) != 0) { /* it has wrapped, but the exception is masked */
        current = systick_hw->cvr;
        ++full_periods;
    }
    restore_interrupts(interrupts);
    /* It counts down, and reaching 0 is what pends the exception: 0 is the first tick of a period. */
    return ((uint64_t)full_periods << SYSTICK_BITS) | ((0u - current) & SYSTICK_MASK);
}

uint32_t ek_port_clock_hz(void) {
    return clock_get_hz(clk_sys);
}

uint32_t ek_port_stack_used_bytes(void) {
    const volatile uint32_t *word = __StackBottom;
    while (word < __StackTop && *word == STACK_PAINT) {
        ++word;
    }
    return (uint32_t)((uintptr_t)__StackTop - (uintptr_t)word);
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    watchdog_reboot(0, 0, RESET_DELAY_MS);
    for (;;) {
        tight_loop_contents();
    }
}
