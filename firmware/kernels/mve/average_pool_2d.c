/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D: see ek_kernels_mve.h. Four channels at a time are summed up in 32 bits. */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

/* sum / count rounded to nearest, ties away from zero, of four lanes: the core divides one at a time. */
static inline int32x4_t rounded_quotients(int32x4_t sums, int32_t count) {
    const int32_t half = count / 2;
    int32_t lanes[4];
    vst1q_s32(lanes, sums);
    for (int i = 0; i < 4; i++) {
        lanes[i] = (lanes[i] > 0 ? lanes[i] + half : lanes[i] - half) / count;
    }
    return vld1q_s32(lanes);
}

/* The sums of four channels over the window that starts at byte `first` of its rows. */
static inline int32x4_t sum_window(const ek_pool_2d *pool, const int8_t *const *rows, uint32_t first,
                                   mve_pred16_t exists) {
    int32x4_t sums = vdupq_n_s32(0);
    for (uint32_t row = 0; row < pool->window.height; row++) {
        const int8_t *element = rows[row] + first;
        for (uint32_t column = pool->window.width; column > 0; column--) {
            sums = vaddq_s32(sums, vldrbq_z_s32(element, exists));
            element += pool->input.channels;
        }
    }
    return sums;
}

void ek_mve_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_pool_2d *const pool = params;
    const uint32_t channels = pool->input.channels;
    const int32_t count = pool->window.height * pool->window.width;
    const int32x4_t lowest = vdupq_n_s32(pool->activation_min);
    const int32x4_t highest = vdupq_n_s32(pool->activation_max);
    (void)scratch;
    for (uint32_t x = 0; x < pool->output.width; x++) {
        const uint32_t first = x * pool->window.stride * channels;
        for (uint32_t channel = 0; channel < channels; channel += 4) {
            const mve_pred16_t exists = vctp32q(channels - channel);
            const int32x4_t sums = sum_window(pool, rows, first + channel, exists);
            const int32x4_t value = rounded_quotients(sums, count);
            vstrbq_p_s32(output + channel, vminq_s32(vmaxq_s32(value, lowest), highest), exists);
        }
        output += channels;
    }
}
