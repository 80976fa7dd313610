/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every Cortex-M port shares: startup.c with the vector table, Reset_Handler and the fault report,
 * systick.c with a counter. A port adds the serial port of its chip. See ek_startup.h for the rest.
 *
 * Start-up enables the FPU and the vector unit where the code is compiled for them.
 */
#ifndef EDGEKIT_EK_CORTEX_M_H
#define EDGEKIT_EK_CORTEX_M_H

#include <stdint.h>

#include "ek_startup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the processor starts. Initialises memory and calls main; main's return ends in ek_startup_stop. */
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

/* Requests a reset of the chip through AIRCR.SYSRESETREQ and waits for it. */
_Noreturn void ek_cortex_m_system_reset(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_CORTEX_M_H */
