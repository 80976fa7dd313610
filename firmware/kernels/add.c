/* SPDX-License-Identifier: Apache-2.0 */
/* ADD: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "requantize.h"

/* The value of `q` at the scale that both operands share. */
static inline int32_t rescaled(const ek_add_operand *operand, int32_t left_shift, int8_t q) {
    const uint32_t difference = (uint32_t)(q - operand->zero_point);
    return ek_requantize((int32_t)(difference << left_shift), operand->multiplier, operand->shift);
}

void ek_add_s8(const ek_add *params, const int8_t *input_0, const int8_t *input_1, int8_t *output) {
    for (uint32_t i = 0; i < params->size; i++) {
        const int32_t a = rescaled(&params->operands[0], params->left_shift, input_0[i]);
        const int32_t b = rescaled(&params->operands[1], params->left_shift, input_1[i]);
        const int32_t sum =
            ek_requantize(ek_wrapping_add(a, b), params->output_multiplier, params->output_shift);
        output[i] = ek_clamp(ek_wrapping_add(sum, params->output_zero_point), params->activation_min,
                             params->activation_max);
    }
}
