/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_HARDWARE_STRUCTS_SYSTICK_H
#define STAND_IN_HARDWARE_STRUCTS_SYSTICK_H

#include <stdint.h>

typedef struct {
    volatile uint32_t csr, rvr, cvr, calib;
} systick_hw_t;

#define systick_hw ((systick_hw_t *)0xE000E010u)

#endif
