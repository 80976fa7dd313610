/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_HARDWARE_SYNC_H
#define STAND_IN_HARDWARE_SYNC_H

#include <stdint.h>

uint32_t save_and_disable_interrupts(void);
void restore_interrupts(uint32_t status);

#endif
