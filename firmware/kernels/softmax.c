/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOFTMAX: the specification is in ek_kernels.h. The approximations of exp and 1 / (1 + x) are those of
 * gemmlowp, which fix the result's last bit. Qm.n is an int32 with m integer and n fraction bits.
 */
#include "edgekit/ek_kernels.h"

#include "requantize.h"

#define SUM_INTEGER_BITS 12 /* the sum of a row is Q12.19 */

/* x * 2^bits, saturated. */
static int32_t shift_left_saturating(int32_t x, int32_t bits) {
    const int32_t limit = INT32_MAX >> bits;
    if (x > limit) {
        return INT32_MAX;
    }
    return x < -limit ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* exp(x) in Q0.31 for x in [-1/4, 0) in Q0.31: the Taylor series around -1/8 up to the fourth power. */
static int32_t exp_of_quarter(int32_t x) {
    const int32_t exp_minus_eighth = 1895147668;
    const int32_t third = 715827883;
    const int32_t t = x + (INT32_C(1) << 28); /* x + 1/8 */
    const int32_t t2 = ek_doubling_high_multiply(t, t);
    const int32_t t3 = ek_doubling_high_multiply(t2, t);
    const int32_t t4_over_4 = ek_rounding_shift_right(ek_doubling_high_multiply(t2, t2), 2);
    const int32_t t4_over_12_plus_t3_over_3 = ek_doubling_high_multiply(t4_over_4 + t3, third);
    const int32_t powers_from_2 = ek_rounding_shift_right(t4_over_12_plus_t3_over_3 + t2, 1);
    return exp_minus_eighth + ek_doubling_high_multiply(t + powers_from_2, exp_minus_eighth);
}

/* exp(x) in Q0.31 for x <= 0 in Q5.26. */
static int32_t exp_of_negative(int32_t x) {
    /* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0.31. */
    static const EK_FLASH int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                               39332535,   720401,     242};
    const int32_t quarter = INT32_C(1) << 24;
    if (x == 0) {
        return INT32_MAX;
    }
    /* x = fraction - quarters / 4 with fraction in [-1/4, 0): one factor for each bit of the quarters. */
    const int32_t fraction = (x & (quarter - 1)) - quarter;
    uint32_t quarters = (uint32_t)(fraction - x) >> 24;
    int32_t result = exp_of_quarter(fraction * 32);
    for (const EK_FLASH int32_t *factor = factors; quarters != 0; factor++, quarters >>= 1) {
        if (quarters & 1) {
            result = ek_doubling_high_multiply(result, *factor);
        }
    }
    return result;
}

/* 1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31: three Newton-Raphson steps in Q2.29. */
static int32_t one_over_one_plus(int32_t x) {
    const int32_t half_denominator = (x >> 1) + (INT32_C(1) << 30);
    /* The start 48/17 - 32/17 * denominator minimises the largest error. */
    int32_t estimate = 1515870810 + ek_doubling_high_multiply(half_denominator, -1010580540);
    for (int step = 0; step < 3; step++) {
        const int32_t error = (INT32_C(1) << 29) - ek_doubling_high_multiply(half_denominator, estimate);
        estimate += shift_left_saturating(ek_doubling_high_multiply(estimate, error), 2);
    }
    return shift_left_saturating(estimate, 1);
}

/* exp(q - highest) in Q0.31, and 0 where the difference is below diff_min. */
static int32_t exp_of_difference(const EK_FLASH ek_softmax *params, int32_t q, int32_t highest) {
    const int32_t difference = q - highest;
    if (difference < params->diff_min) {
        return 0;
    }
    const uint32_t shifted = (uint32_t)difference << params->left_shift;
    return exp_of_negative(ek_doubling_high_multiply((int32_t)shifted, params->multiplier));
}

void ek_softmax_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_softmax *const softmax = params;
    const int8_t *const input = rows[0];
    (void)scratch;
    int32_t highest = INT8_MIN;
    for (uint32_t i = 0; i < softmax->depth; i++) {
        highest = input[i] > highest ? input[i] : highest;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < softmax->depth; i++) {
        const int32_t exponential = exp_of_difference(softmax, input[i], highest);
        sum += (uint32_t)ek_rounding_shift_right(exponential, SUM_INTEGER_BITS);
    }
    /* sum = 2^(SUM_INTEGER_BITS - headroom) * (1 + x) with x in [0, 1). */
    int32_t headroom = 0;
    while (!(sum & 0x80000000u)) {
        sum <<= 1;
        headroom++;
    }
    const int32_t reciprocal = one_over_one_plus((int32_t)(sum & 0x7fffffffu));
    const int32_t exponent = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (uint32_t i = 0; i < softmax->depth; i++) {
        const int32_t exponential = exp_of_difference(softmax, input[i], highest);
        const int32_t product = ek_doubling_high_multiply(exponential, reciprocal);
        /* Beyond 31 bits nothing of the product is left. */
        const int32_t probability = exponent > 31 ? 0 : ek_rounding_shift_right(product, exponent);
        output[i] = ek_clamp(probability + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}
