/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_SOC_H
#define STAND_IN_SOC_H

#include <stdint.h>

extern uint32_t SystemCoreClock;

void SystemCoreClockUpdate(void);

#endif
