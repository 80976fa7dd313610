/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a row's exponentials have in common in SOFTMAX: their sum and its reciprocal. Exponentials and the
 * reciprocal are Q0.31 and not negative; Qm.n is an int32 with m integer and n fraction bits.
 */
#ifndef EDGEKIT_SOFTMAX_H
#define EDGEKIT_SOFTMAX_H

#include <stdint.h>

#include "loops.h"
#include "requantize.h"

#define EK_SUM_INTEGER_BITS 12 /* the sum of a row is Q12.19 */

/* What every exponential of a row is multiplied by: reciprocal / 2^31 / 2^exponent. */
typedef struct ek_softmax_factor {
    int32_t reciprocal;
    int32_t exponent; /* 23..31 */
} ek_softmax_factor;

/* What `exponential` adds to the sum of its row: round_2(exponential / 2^EK_SUM_INTEGER_BITS). */
static inline uint32_t ek_softmax_summand(int32_t exponential) {
    const uint32_t half = UINT32_C(1) << (EK_SUM_INTEGER_BITS - 1);
    return ((uint32_t)exponential + half) >> EK_SUM_INTEGER_BITS;
}

/* x * 2^bits, saturated. */
static inline int32_t ek_shift_left_saturating(int32_t x, int32_t bits) {
    const int32_t limit = INT32_MAX >> bits;
    if (x > limit) {
        return INT32_MAX;
    }
    return x < -limit ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31: three Newton-Raphson steps in Q2.29. */
static inline int32_t ek_one_over_one_plus(int32_t x) {
    const int32_t half_denominator = (x >> 1) + (INT32_C(1) << 30);
    /* The start 48/17 - 32/17 * denominator minimises the largest error. */
    int32_t estimate = 1515870810 + ek_doubling_high_multiply(half_denominator, -1010580540);
    EK_NO_UNROLL
    for (int step = 0; step < 3; step++) {
        const int32_t error = (INT32_C(1) << 29) - ek_doubling_high_multiply(half_denominator, estimate);
        estimate += ek_shift_left_saturating(ek_doubling_high_multiply(estimate, error), 2);
    }
    return ek_shift_left_saturating(estimate, 1);
}

/* The factor for exponentials whose summands add up to `sum`, which is not 0. */
static inline ek_softmax_factor ek_softmax_factor_of(uint32_t sum) {
    /* sum = 2^(EK_SUM_INTEGER_BITS - headroom) * (1 + x) with x in [0, 1). */
    int32_t headroom = 0;
    while (!(sum & 0x80000000u)) {
        sum <<= 1;
        headroom++;
    }
    ek_softmax_factor factor = {ek_one_over_one_plus((int32_t)(sum & 0x7fffffffu)),
                                EK_SUM_INTEGER_BITS - headroom + 31 - 8};
    if (factor.exponent > 31) {
        /* Nothing is left of any product. */
        factor.reciprocal = 0;
        factor.exponent = 31;
    }
    return factor;
}

/* The output for `exponential`: round_2(round_1(exponential * reciprocal / 2^31) / 2^exponent) - 128, at most
 * 127. Nothing is negative, so both roundings are halves added in one place. */
static inline int8_t ek_softmax_output(int32_t exponential, ek_softmax_factor factor) {
    const uint64_t halves = ((uint64_t)(UINT32_C(1) << (factor.exponent - 2)) << 32) + (UINT32_C(1) << 30);
    const uint64_t product = (uint64_t)(uint32_t)exponential * (uint32_t)factor.reciprocal + halves;
    const uint32_t probability = (uint32_t)(product >> 32) >> (factor.exponent - 1);
    return (int8_t)((probability > UINT8_MAX ? UINT8_MAX : (int32_t)probability) + INT8_MIN);
}

#endif /* EDGEKIT_SOFTMAX_H */
