/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every Cortex-M port shares: start-up, fault report, stack high-water mark. startup.c holds the
 * vector table and Reset_Handler; a port adds the serial port and the counter of its chip.
 *
 * Start-up enables the FPU where the code is compiled for one, paints the stack, copies .data, clears
 * .bss and calls main. A processor fault sends one line of text over the port, between zero bytes so
 * that it cannot be taken for part of a frame, and then calls ek_cortex_m_stop.
 */
#ifndef EDGEKIT_EK_CORTEX_M_H
#define EDGEKIT_EK_CORTEX_M_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the processor starts. Initialises memory and calls main; main's return ends in ek_cortex_m_stop. */
void Reset_Handler(void);

/* Vector 15, the interrupt of the counter below. */
void SysTick_Handler(void);

/*
 * Starts SysTick as a counter of processor cycles: 24 bits that its interrupt extends to 64. Ports
 * without SysTick leave this out and never see its interrupt.
 */
void ek_cortex_m_start_ticks(void);

/* Cycles since ek_cortex_m_start_ticks. Returns with interrupts enabled. */
uint64_t ek_cortex_m_ticks(void);

/*
 * Serves the counter where interrupts are masked: to be called at least once a period (2^24 cycles)
 * by code that masks them for long, as a port does that waits for a byte.
 */
void ek_cortex_m_keep_ticks(void);

/* The most stack used since start-up, in bytes: how much of the paint is gone. */
uint32_t ek_cortex_m_stack_used_bytes(void);

/*
 * Stops the processor for good. Weak: the default executes an undefined instruction, which inside a
 * fault handler locks the core up. Silicon stands still until reset; QEMU ends with a register dump.
 */
_Noreturn void ek_cortex_m_stop(void);

/* Requests a reset of the chip through AIRCR.SYSRESETREQ and waits for it. */
_Noreturn void ek_cortex_m_system_reset(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_CORTEX_M_H */
