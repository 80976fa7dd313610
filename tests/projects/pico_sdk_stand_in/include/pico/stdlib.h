/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the Pico SDK's header: what the port uses, as the documentation of SDK 2.2 declares it. */
#ifndef STAND_IN_PICO_STDLIB_H
#define STAND_IN_PICO_STDLIB_H

#include <stdbool.h>
#include <stdint.h>

bool stdio_init_all(void);
int stdio_getchar_timeout_us(uint32_t timeout_us);
int stdio_put_string(const char *s, int len, bool newline, bool cr_translation);
void stdio_flush(void);

static inline void tight_loop_contents(void) {}

#endif
