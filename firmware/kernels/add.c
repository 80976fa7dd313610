/* SPDX-License-Identifier: Apache-2.0 */
/* ADD: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "requantize.h"

/* The value of `q` at the scale that both operands share. */
static inline int32_t rescaled(const EK_FLASH ek_add_operand *operand, int32_t left_shift, int8_t q) {
    const uint32_t difference = (uint32_t)(q - operand->zero_point);
    return ek_requantize((int32_t)(difference << left_shift), operand->multiplier, operand->shift);
}

void ek_add_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_add *const add = params;
    const int8_t *const input_0 = rows[0];
    const int8_t *const input_1 = rows[1];
    (void)scratch;
    for (uint32_t i = 0; i < add->size; i++) {
        const int32_t a = rescaled(&add->operands[0], add->left_shift, input_0[i]);
        const int32_t b = rescaled(&add->operands[1], add->left_shift, input_1[i]);
        const int32_t sum = ek_requantize(ek_wrapping_add(a, b), add->output_multiplier, add->output_shift);
        output[i] =
            ek_clamp(ek_wrapping_add(sum, add->output_zero_point), add->activation_min, add->activation_max);
    }
}
