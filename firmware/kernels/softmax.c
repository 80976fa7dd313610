/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOFTMAX: the specification is in ek_kernels.h. The approximations of exp and 1 / (1 + x) are those of
 * gemmlowp, which fix the result's last bit.
 */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"
#include "softmax.h"

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
        sum += ek_softmax_summand(exp_of_difference(softmax, input[i], highest));
    }
    const ek_softmax_factor factor = ek_softmax_factor_of(sum);
    for (uint32_t i = 0; i < softmax->depth; i++) {
        output[i] = ek_softmax_output(exp_of_difference(softmax, input[i], highest), factor);
    }
}
