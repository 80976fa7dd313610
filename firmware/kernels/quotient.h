/* SPDX-License-Identifier: Apache-2.0 */
/* Means of int8 elements by one division for all of them: small cores divide in a hundred instructions. */
#ifndef EDGEKIT_QUOTIENT_H
#define EDGEKIT_QUOTIENT_H

#include <stdint.h>

#define EK_RECIPROCAL_BITS 24

/* What sums of `count` int8 elements are divided by. */
typedef struct ek_divisor {
    uint32_t count;
    uint32_t reciprocal; /* 2^24 / count rounded up; 0: of more than 256 elements, which are divided */
    uint32_t offset;     /* makes any sum positive, and rounds */
} ek_divisor;

static inline ek_divisor ek_divisor_of(uint32_t count) {
    const uint32_t one = UINT32_C(1) << EK_RECIPROCAL_BITS;
    const ek_divisor divisor = {count, count <= 256 ? (one + count - 1) / count : 0, 128 * count + count / 2};
    return divisor;
}

/* sum / count rounded to nearest, ties away from zero. */
static inline int32_t ek_rounded_quotient(int32_t sum, ek_divisor divisor) {
    /* In units of 1 / count above -128. One less for a negative sum: at an even count that moves ties, which
     * are rounded up, down. */
    const uint32_t is_tie_moved = (uint32_t)(sum < 0) & ~divisor.count & 1u;
    const uint32_t dividend = (uint32_t)sum + divisor.offset - is_tie_moved;
    /* The reciprocal is too large by less than count / 2^24 of itself. The quotient, at most 255.5, is so by
     * less than 1 / count where 255.5 * 256 * 255 < 2^24, and 256 * 2^24 fits: it is exact. */
    const uint32_t quotient = divisor.reciprocal != 0 ? dividend * divisor.reciprocal >> EK_RECIPROCAL_BITS
                                                      : dividend / divisor.count;
    return (int32_t)quotient - 128;
}

#endif /* EDGEKIT_QUOTIENT_H */
