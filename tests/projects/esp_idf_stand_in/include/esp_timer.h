/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_timer.h: the declarations that the port uses, as the Programming Guide has
 * them. */
#ifndef EDGEKIT_STAND_IN_ESP_TIMER_H
#define EDGEKIT_STAND_IN_ESP_TIMER_H

#include <stdint.h>

int64_t esp_timer_get_time(void);

#endif
