/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Armv7-M Architecture Reference Manual (DDI 0403E): DEMCR in C1.6.5, DWT in C1.8. The software lock,
 * which the Cortex-M7 has: CoreSight Architecture Specification (IHI 0029E), B2.3.10.
 */
#include "ek_dwt.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define DEMCR        REGISTER(0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL     REGISTER(0xE0001000u)
#define DWT_CYCCNT   REGISTER(0xE0001004u)
#define DWT_LAR      REGISTER(0xE0001FB0u)
#define CYCCNTENA    (1u << 0)
#define NOCYCCNT     (1u << 25)
#define LAR_UNLOCK   0xC5ACCE55u

static int running;
static uint32_t last;
static uint32_t wraps;

int ek_dwt_start(void) {
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = LAR_UNLOCK;
    if ((DWT_CTRL & NOCYCCNT) != 0) {
        return 0;
    }
    DWT_CYCCNT = 0;
    DWT_CTRL |= CYCCNTENA;
    running = 1;
    last = 0;
    wraps = 0;
    return 1;
}

uint64_t ek_dwt_cycles(void) {
    if (!running) {
        return 0;
    }
    const uint32_t now = DWT_CYCCNT;
    if (now < last) {
        ++wraps;
    }
    last = now;
    return ((uint64_t)wraps << 32) | now;
}
