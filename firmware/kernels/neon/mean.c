/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN over H and W, 8 channels at a time: half an instruction an element, 3 an output. */
#include "edgekit/ek_kernels_neon.h"

#include "pool.h"
#include "stage.h"

void ek_neon_mean_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mean *const mean = params;
    const int32_t channels = mean->input.channels;
    const int32x4_t offset = vdupq_n_s32(-mean->input_zero_point * mean->height * mean->input.width);
    const int32x4_t shift = vdupq_n_s32(mean->shift);
    const int16x8_t zero_point = vdupq_n_s16(mean->output_zero_point);
    (void)scratch;
    for (int32_t i = 0; i < channels; i += EK_NEON_CHANNELS) {
        const int32_t channel = ek_neon_channel(i, channels);
        int32x4_t low = offset;
        int32x4_t high = offset;
        for (uint32_t row = 0; row < mean->height; row++) {
            const int16x8_t sums =
                ek_neon_sum(vdupq_n_s16(0), rows[row] + channel, mean->input.width, channels);
            low = vaddw_s16(low, vget_low_s16(sums));
            high = vaddw_s16(high, vget_high_s16(sums));
        }
        low = ek_neon_rounding_shift(vqrdmulhq_n_s32(low, mean->multiplier), shift);
        high = ek_neon_rounding_shift(vqrdmulhq_n_s32(high, mean->multiplier), shift);
        vst1_s8(output + channel, ek_neon_narrow(low, high, zero_point));
    }
}
