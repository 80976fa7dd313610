/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's esp_vfs_common.h: the declarations that the port uses, as the Programming Guide has
 * them. */
#ifndef EDGEKIT_STAND_IN_ESP_VFS_COMMON_H
#define EDGEKIT_STAND_IN_ESP_VFS_COMMON_H

typedef enum { ESP_LINE_ENDINGS_CRLF, ESP_LINE_ENDINGS_CR, ESP_LINE_ENDINGS_LF } esp_line_endings_t;

#endif
