/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for ESP-IDF's driver/usb_serial_jtag_vfs.h: the declarations that the port uses, as the
 * Programming Guide has them. */
#ifndef EDGEKIT_STAND_IN_DRIVER_USB_SERIAL_JTAG_VFS_H
#define EDGEKIT_STAND_IN_DRIVER_USB_SERIAL_JTAG_VFS_H

#include "esp_vfs_common.h"

void usb_serial_jtag_vfs_use_driver(void);
void usb_serial_jtag_vfs_set_tx_line_endings(esp_line_endings_t mode);

#endif
