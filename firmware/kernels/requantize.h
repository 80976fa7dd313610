/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requantization with TensorFlow Lite Micro's double rounding: the one place in C where it is written.
 *
 *     Q(x, multiplier, shift) = round_2(round_1(x * 2^max(shift, 0) * multiplier / 2^31) / 2^max(-shift, 0))
 *
 * round_1 is to nearest, ties towards plus infinity; round_2 is to nearest, ties away from zero.
 * x * 2^shift wraps around in int32.
 */
#ifndef EDGEKIT_REQUANTIZE_H
#define EDGEKIT_REQUANTIZE_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

_Static_assert((-3 >> 1) == -2, "the kernels need a right shift of negative numbers that keeps the sign");
_Static_assert((int32_t)UINT32_MAX == -1, "the kernels need two's complement conversion");

/*
 * round_1(a * b / 2^31): the "rounding doubling high multiply". The one case that overflows, both
 * factors -2^31, does not occur: a multiplier is never negative, nor are softmax's constants.
 */
static inline int32_t ek_doubling_high_multiply(int32_t a, int32_t b) {
    const int64_t product = (int64_t)a * b;
    return (int32_t)((product + (INT64_C(1) << 30)) >> 31);
}

/* round_2(x / 2^exponent) for exponents of 1 to 31 and x > -2^31. */
static inline int32_t ek_rounding_shift_right(int32_t x, int32_t exponent) {
    /* One less for a negative x, so that rounding its tie up moves it away from zero. */
    const int32_t doubled = (x + (x >> 31)) >> (exponent - 1);
    return (doubled >> 1) + (doubled & 1);
}

/* Q(x, multiplier, shift) for any x, multiplier in 0..2^31-1, shift in -31..30. */
static inline int32_t ek_requantize(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t left_shift = shift > 0 ? shift : 0;
    const int32_t scaled = ek_doubling_high_multiply((int32_t)((uint32_t)x << left_shift), multiplier);
    return shift < 0 ? ek_rounding_shift_right(scaled, -shift) : scaled;
}

/* a + b in int32 that wraps around. */
static inline int32_t ek_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int8_t ek_clamp(int32_t x, int32_t lowest, int32_t highest) {
    if (x < lowest) {
        x = lowest;
    }
    return (int8_t)(x > highest ? highest : x);
}

#endif /* EDGEKIT_REQUANTIZE_H */
