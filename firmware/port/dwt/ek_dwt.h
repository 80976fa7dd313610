/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cycle counter of Cortex-M3 and larger, for ports whose SysTick belongs to an operating system.
 * It counts processor cycles in 32 bits; these functions extend it to 64.
 */
#ifndef EDGEKIT_EK_DWT_H
#define EDGEKIT_EK_DWT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts the counter at 0. Returns 1, or 0 where the processor has none. */
int ek_dwt_start(void);

/*
 * Cycles since ek_dwt_start. A wrap is noticed when it happened since the last call: the difference of
 * two calls is right where they lie less than 2^32 cycles apart (36 s at 120 MHz). 0 without a counter.
 */
uint64_t ek_dwt_cycles(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_DWT_H */
