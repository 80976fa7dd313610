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
    if (shift >= 0) {
        return ek_doubling_high_multiply((int32_t)((uint32_t)x << shift), multiplier);
    }
    return ek_rounding_shift_right(ek_doubling_high_multiply(x, multiplier), -shift);
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

/* The int8 value of output channel `channel` from its sum without bias: see ek_output_stage. */
static inline int8_t ek_output(const ek_output_stage *stage, int32_t channel, uint32_t sum) {
    const int32_t k = stage->per_channel ? channel : 0;
    const int32_t biased = (int32_t)(sum + (uint32_t)stage->bias[channel]);
    const int32_t scaled = ek_requantize(biased, stage->multiplier[k], stage->shift[k]);
    return ek_clamp(ek_wrapping_add(scaled, stage->zero_point), stage->activation_min, stage->activation_max);
}

#endif /* EDGEKIT_REQUANTIZE_H */
