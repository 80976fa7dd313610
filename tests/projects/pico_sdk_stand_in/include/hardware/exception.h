/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_HARDWARE_EXCEPTION_H
#define STAND_IN_HARDWARE_EXCEPTION_H

enum exception_number { SYSTICK_EXCEPTION = -1 };

typedef void (*exception_handler_t)(void);

exception_handler_t exception_set_exclusive_handler(enum exception_number num, exception_handler_t handler);

#endif
