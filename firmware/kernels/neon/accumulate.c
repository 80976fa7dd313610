/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of a mean over an image, 8 channels at a time: half an instruction an element. */
#include "edgekit/ek_kernels_neon.h"

#include "pool.h"

void ek_neon_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_accumulate *const accumulate = params;
    const int32_t channels = accumulate->input.channels;
    const int8_t *const before = rows[1];
    (void)scratch;
    for (int32_t i = 0; i < channels; i += EK_NEON_CHANNELS) {
        const int32_t channel = ek_neon_channel(i, channels);
        const int16x8_t sums =
            ek_neon_sum(vdupq_n_s16(0), rows[0] + channel, accumulate->input.width, channels);
        int32x4_t low = vdupq_n_s32(0);
        int32x4_t high = vdupq_n_s32(0);
        if (before != NULL) {
            /* Loaded and stored as bytes: sums are int32 in rows of these. */
            low = vreinterpretq_s32_s8(vld1q_s8(before + 4 * channel));
            high = vreinterpretq_s32_s8(vld1q_s8(before + 4 * channel + 16));
        }
        low = vaddw_s16(low, vget_low_s16(sums));
        high = vaddw_s16(high, vget_high_s16(sums));
        vst1q_s8(output + 4 * channel, vreinterpretq_s8_s32(low));
        vst1q_s8(output + 4 * channel + 16, vreinterpretq_s8_s32(high));
    }
}
