/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_ZEPHYR_SYS_REBOOT_H
#define STAND_IN_ZEPHYR_SYS_REBOOT_H

#define SYS_REBOOT_COLD 1

_Noreturn void sys_reboot(int type);

#endif
