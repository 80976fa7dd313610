/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's driver/uart_vfs.h: the declarations that the port uses, as the Programming Guide
 * has them. */
#ifndef EDGEKIT_STAND_IN_DRIVER_UART_VFS_H
#define EDGEKIT_STAND_IN_DRIVER_UART_VFS_H

#include "esp_vfs_common.h"

void uart_vfs_dev_use_driver(int uart_num);
int uart_vfs_dev_port_set_tx_line_endings(int uart_num, esp_line_endings_t mode);

#endif
