/* SPDX-License-Identifier: Apache-2.0 */
/* SysTick: Armv7-M Architecture Reference Manual (DDI 0403E), B3.3; Armv6-M (DDI 0419E), B3.3. */
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define SYSTICK_CTRL    REGISTER(0xE000E010u)
#define SYSTICK_RELOAD  REGISTER(0xE000E014u)
#define SYSTICK_CURRENT REGISTER(0xE000E018u)
#define SYSTICK_ENABLE  7u /* processor clock, interrupt, count */
#define SYSTICK_BITS    24u
#define SYSTICK_MASK    ((1u << SYSTICK_BITS) - 1u)
#define ICSR            REGISTER(0xE000ED04u)
#define ICSR_PENDSTSET  (1u << 26)
#define ICSR_PENDSTCLR  (1u << 25)

static volatile uint32_t wraps;

void SysTick_Handler(void) {
    ++wraps;
}

void ek_cortex_m_start_ticks(void) {
    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_CURRENT = 0;
    SYSTICK_CTRL = SYSTICK_ENABLE;
}

void ek_cortex_m_keep_ticks(void) {
    if ((ICSR & ICSR_PENDSTSET) != 0) {
        ++wraps;
        ICSR = ICSR_PENDSTCLR;
    }
}

uint64_t ek_cortex_m_ticks(void) {
    __asm__ volatile("cpsid i" ::: "memory");
    uint32_t full_periods = wraps;
    uint32_t current = SYSTICK_CURRENT;
    if ((ICSR & ICSR_PENDSTSET) != 0) { /* it has wrapped, but the interrupt is masked */
        current = SYSTICK_CURRENT;
        ++full_periods;
    }
    __asm__ volatile("cpsie i" ::: "memory");
    /* It counts down, and reaching 0 is what pends the interrupt: 0 is the first tick of a period. */
    return ((uint64_t)full_periods << SYSTICK_BITS) | ((0u - current) & SYSTICK_MASK);
}
