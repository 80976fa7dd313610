/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD: see ek_kernels_mve.h. Two multiply-accumulates in 32 bits instead of three requantizations, 9
 * instructions for four elements; the generator proves the constants on all pairs of bytes.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

void ek_mve_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_add *const add = params;
    const int8_t *a = rows[0];
    const int8_t *b = rows[1];
    const int32_t factor_b = add->multipliers[1];
    const int32_t offset = add->offset;
    const int32_t shift = -add->shift;
    const int32x4_t factor_a = vdupq_n_s32(add->multipliers[0]);
    const int32x4_t lowest = vdupq_n_s32(add->activation_min);
    const int32x4_t highest = vdupq_n_s32(add->activation_max);
    (void)scratch;
    for (uint32_t left = add->size; left > 0; left -= left < 4 ? left : 4) {
        const mve_pred16_t exists = vctp32q(left);
        int32x4_t value = vmlasq_n_s32(vldrbq_z_s32(a, exists), factor_a, offset);
        value = vmlaq_n_s32(value, vldrbq_z_s32(b, exists), factor_b);
        value = vshlq_r_s32(value, shift);
        vstrbq_p_s32(output, vminq_s32(vmaxq_s32(value, lowest), highest), exists);
        a += 4, b += 4, output += 4;
    }
}
