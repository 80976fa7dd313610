/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_err.h: the declarations that the port uses, as the Programming Guide has them.
 */
#ifndef EDGEKIT_STAND_IN_ESP_ERR_H
#define EDGEKIT_STAND_IN_ESP_ERR_H

#include <stdlib.h>

typedef int esp_err_t;

#define ESP_OK 0
#define ESP_ERROR_CHECK(call)                                                                                \
    do {                                                                                                     \
        if ((call) != ESP_OK) {                                                                              \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
