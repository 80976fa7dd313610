/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_cpu.h: the declarations that the port uses, as the Programming Guide has them.
 */
#ifndef EDGEKIT_STAND_IN_ESP_CPU_H
#define EDGEKIT_STAND_IN_ESP_CPU_H

#include <stdint.h>

typedef uint32_t esp_cpu_cycle_count_t;

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void);

#endif
