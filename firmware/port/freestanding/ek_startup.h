/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every port without an operating system shares, whatever its processor: memory as C promises it,
 * the stack's high-water mark, the text of a fault report, and how a program ends.
 *
 * The folder of the architecture (cortex_m/ or riscv/) has Reset_Handler, where the processor starts:
 * it sets up the stack and what the core needs, calls ek_startup_memory and main, and ends in
 * ek_startup_stop. A processor fault there sends one line of text over the port, between zero bytes so
 * that it cannot be taken for part of a frame, and then calls ek_startup_stop.
 */
#ifndef EDGEKIT_EK_STARTUP_H
#define EDGEKIT_EK_STARTUP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first and the last-plus-one word of the stack. Given by the linker script; only addresses count. */
extern uint32_t ek_stack_bottom[], ek_stack_top[];

/* Paints the free part of the stack, copies .data and clears .bss. */
void ek_startup_memory(void);

/* startup.c also has two functions of ek_port.h that are the same for all: ek_port_board_name, and
 * ek_port_stack_used_bytes, which counts how much of the paint is gone. */

/*
 * Stops the processor for good. Weak: the default executes an undefined instruction, which on a
 * Cortex-M inside a fault handler locks the core up, and then loops. Silicon stands still until reset;
 * QEMU's Cortex-M machines end with a register dump.
 */
_Noreturn void ek_startup_stop(void);

/* A fault report being written. */
typedef struct ek_startup_report {
    uint32_t length;
    char text[124];
} ek_startup_report;

/* Begins the report, with "edgekit: processor fault,". */
void ek_startup_report_begin(ek_startup_report *report);

/* Adds `text`, at most as much of it as there is room for. */
void ek_startup_report_text(ek_startup_report *report, const char *text);

/* Adds `label` and `value` as eight hexadecimal digits. */
void ek_startup_report_hex(ek_startup_report *report, const char *label, uint32_t value);

/* Sends the report and stops. */
_Noreturn void ek_startup_report_send(ek_startup_report *report);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_STARTUP_H */
