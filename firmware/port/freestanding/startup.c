/* SPDX-License-Identifier: Apache-2.0 */
#include "ek_startup.h"

#include <stddef.h>

#include "edgekit/ek_port.h"
#include "ek_board.h"

#define STACK_PAINT 0xC5C5A5A5u

/* Given by the linker script; only the addresses mean anything. */
extern uint32_t ek_data_start[], ek_data_end[], ek_data_load[];
extern uint32_t ek_bss_start[], ek_bss_end[];

static void paint_stack(void) {
    uint32_t *stack_pointer;
#if defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(stack_pointer));
#else
    __asm__ volatile("mov %0, sp" : "=r"(stack_pointer));
#endif
    for (volatile uint32_t *word = ek_stack_bottom; word < stack_pointer; ++word) {
        *word = STACK_PAINT;
    }
}

void ek_startup_memory(void) {
    paint_stack();
    const uint32_t *from = ek_data_load;
    for (uint32_t *to = ek_data_start; to < ek_data_end; ++to, ++from) {
        *to = *from;
    }
    for (uint32_t *to = ek_bss_start; to < ek_bss_end; ++to) {
        *to = 0;
    }
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

uint32_t ek_port_stack_used_bytes(void) {
    const volatile uint32_t *word = ek_stack_bottom;
    while (word < ek_stack_top && *word == STACK_PAINT) {
        ++word;
    }
    return (uint32_t)((uintptr_t)ek_stack_top - (uintptr_t)word);
}

__attribute__((weak)) _Noreturn void ek_startup_stop(void) {
    for (;;) {
#if defined(__riscv)
        __asm__ volatile("wfi");
#else
        __asm__ volatile("udf #0");
#endif
    }
}

/* Not inlined: clang would unroll each sentence into immediate stores, at three times its size. */
__attribute__((noinline)) void ek_startup_report_text(ek_startup_report *report, const char *text) {
    while (*text != '\0' && report->length < sizeof report->text) {
        report->text[report->length++] = *text++;
    }
}

void ek_startup_report_begin(ek_startup_report *report) {
    report->text[0] = '\0';
    report->length = 1;
    ek_startup_report_text(report, "\r\nedgekit: processor fault,");
}

__attribute__((noinline)) void ek_startup_report_hex(ek_startup_report *report, const char *label,
                                                     uint32_t value) {
    char digits[9];
    for (unsigned i = 0; i < 8; ++i) {
        digits[i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 0xFu];
    }
    digits[8] = '\0';
    ek_startup_report_text(report, label);
    ek_startup_report_text(report, digits);
}

_Noreturn void ek_startup_report_send(ek_startup_report *report) {
    static const uint8_t end[3] = {'\r', '\n', '\0'};
    ek_port_write((const uint8_t *)report->text, report->length);
    ek_port_write(end, sizeof end);
    ek_port_flush();
    ek_startup_stop();
}
