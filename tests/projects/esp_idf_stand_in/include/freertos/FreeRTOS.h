/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's freertos/FreeRTOS.h: the declarations that the port uses, as the Programming Guide
 * has them. */
#ifndef EDGEKIT_STAND_IN_FREERTOS_FREERTOS_H
#define EDGEKIT_STAND_IN_FREERTOS_FREERTOS_H

#include <stdint.h>

#include "sdkconfig.h"

/* ESP-IDF counts stacks in bytes. */
typedef uint8_t StackType_t;
typedef uint32_t TickType_t;
typedef int BaseType_t;
typedef unsigned UBaseType_t;

#define portMAX_DELAY     ((TickType_t)0xffffffffu)
#define pdMS_TO_TICKS(ms) ((TickType_t)((uint64_t)(ms) * CONFIG_FREERTOS_HZ / 1000u))

#endif
