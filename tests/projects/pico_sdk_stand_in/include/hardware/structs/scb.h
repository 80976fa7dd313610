/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_HARDWARE_STRUCTS_SCB_H
#define STAND_IN_HARDWARE_STRUCTS_SCB_H

#include <stdint.h>

typedef struct {
    volatile uint32_t cpuid, icsr;
} armv6m_scb_hw_t;

#define scb_hw ((armv6m_scb_hw_t *)0xE000ED00u)

#endif
