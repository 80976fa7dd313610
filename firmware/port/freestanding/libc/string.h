/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of ISO C's <string.h> that edgekit's firmware uses and that compilers call on their own.
 * Freestanding toolchains bring no C library; these stand in for it and behave as C11 7.24 says.
 */
#ifndef EDGEKIT_LIBC_STRING_H
#define EDGEKIT_LIBC_STRING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *to, const void *from, size_t size_bytes);
void *memmove(void *to, const void *from, size_t size_bytes);
void *memset(void *to, int value, size_t size_bytes);
int memcmp(const void *left, const void *right, size_t size_bytes);
size_t strlen(const char *text);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_LIBC_STRING_H */
