/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_system.h: the declarations that the port uses, as the Programming Guide has
 * them. */
#ifndef EDGEKIT_STAND_IN_ESP_SYSTEM_H
#define EDGEKIT_STAND_IN_ESP_SYSTEM_H

void esp_restart(void) __attribute__((__noreturn__));

#endif
