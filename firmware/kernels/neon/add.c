/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD, 8 elements at a time: 6 instructions a vector of 4 for each operand, 6 for their sum; with loads,
 * narrowing and the clamps 5.5 an element. All constants stay in registers.
 */
#include "edgekit/ek_kernels.h"
#include "edgekit/ek_kernels_neon.h"

#include "stage.h"
#include "vectors.h"

/* The values of 8 elements at the common scale. */
EK_NEON_INLINE void rescale(const ek_add *add, int which, const int8_t *input, int32x4_t *values) {
    const ek_add_operand *const operand = &add->operands[which];
    const int16x8_t difference = vsubq_s16(vmovl_s8(vld1_s8(input)), vdupq_n_s16(operand->zero_point));
    const int32x4_t left = vdupq_n_s32(add->left_shift);
    const int32x4_t shift = vdupq_n_s32(operand->shift);
    const int32x4_t low = vshlq_s32(vmovl_s16(vget_low_s16(difference)), left);
    const int32x4_t high = vshlq_s32(vmovl_s16(vget_high_s16(difference)), left);
    values[0] = ek_neon_rounding_shift(vqrdmulhq_n_s32(low, operand->multiplier), shift);
    values[1] = ek_neon_rounding_shift(vqrdmulhq_n_s32(high, operand->multiplier), shift);
}

EK_NEON_INLINE int8x8_t add_8(const ek_add *add, const int8_t *input_0, const int8_t *input_1) {
    const int32x4_t shift = vdupq_n_s32(add->output_shift);
    int32x4_t a[2];
    int32x4_t b[2];
    rescale(add, 0, input_0, a);
    rescale(add, 1, input_1, b);
    EK_NEON_UNROLL
    for (int i = 0; i < 2; i++) {
        const int32x4_t scaled = vqrdmulhq_n_s32(vaddq_s32(a[i], b[i]), add->output_multiplier);
        a[i] = ek_neon_rounding_shift(scaled, shift);
    }
    const int8x8_t sum = ek_neon_narrow(a[0], a[1], vdupq_n_s16(add->output_zero_point));
    return vmin_s8(vmax_s8(sum, vdup_n_s8(add->activation_min)), vdup_n_s8(add->activation_max));
}

void ek_neon_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_add add = *(const ek_add *)params; /* a copy, which no store to the output can change */
    uint32_t i = 0;
    (void)scratch;
    for (; i + 8 <= add.size; i += 8) {
        vst1_s8(output + i, add_8(&add, rows[0] + i, rows[1] + i));
    }
    if (i < add.size) {
        int8_t rest[3][8] = {{0}, {0}, {0}};
        memcpy(rest[0], rows[0] + i, add.size - i);
        memcpy(rest[1], rows[1] + i, add.size - i);
        vst1_s8(rest[2], add_8(&add, rest[0], rest[1]));
        memcpy(output + i, rest[2], add.size - i);
    }
}
