/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_attr.h: the declarations that the port uses, as the Programming Guide has them.
 */
#ifndef EDGEKIT_STAND_IN_ESP_ATTR_H
#define EDGEKIT_STAND_IN_ESP_ATTR_H

#include "sdkconfig.h"

#if CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY
#define EXT_RAM_BSS_ATTR __attribute__((section(".ext_ram.bss")))
#else
#define EXT_RAM_BSS_ATTR
#endif

#endif
