/* SPDX-License-Identifier: Apache-2.0 */
/* Sums that one layer leaves to the next: int32 in rows of bytes. */
#ifndef EDGEKIT_SUMS_H
#define EDGEKIT_SUMS_H

#include <stdint.h>

/* The arena is bytes to C. A copy that the compiler makes a load is the one way to see other types in it; the
 * builtin needs no <string.h>, which freestanding compilers do not have. Sums are aligned, which cores must
 * know that load no word from elsewhere. */
#define EK_SUM_BYTES ((int32_t)sizeof(int32_t))

/* Sum `index` of those that start at `sums`. */
static inline int32_t ek_get_sum(const int8_t *sums, int32_t index) {
    int32_t value;
    __builtin_memcpy(&value, __builtin_assume_aligned(sums + index * EK_SUM_BYTES, 4), sizeof value);
    return value;
}

static inline void ek_put_sum(int8_t *sums, int32_t index, int32_t value) {
    __builtin_memcpy(__builtin_assume_aligned(sums + index * EK_SUM_BYTES, 4), &value, sizeof value);
}

#endif /* EDGEKIT_SUMS_H */
