/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_HARDWARE_CLOCKS_H
#define STAND_IN_HARDWARE_CLOCKS_H

#include <stdint.h>

typedef enum clock_handle { clk_sys = 5 } clock_handle_t;

uint32_t clock_get_hz(clock_handle_t clock);

#endif
