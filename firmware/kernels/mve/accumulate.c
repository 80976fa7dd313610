/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of a mean over an image: see ek_kernels_mve.h. Four channels at a time, in 32 bits. */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>
#include <stddef.h>

void ek_mve_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_accumulate *const accumulate = params;
    const uint32_t channels = accumulate->input.channels;
    const int8_t *before = rows[1];
    (void)scratch;
    for (uint32_t channel = 0; channel < channels; channel += 4) {
        const mve_pred16_t exists = vctp32q(channels - channel);
        const int8_t *element = rows[0] + channel;
        int32x4_t sums = vdupq_n_s32(0);
        if (before != NULL) {
            /* Loaded and stored as bytes: sums are int32 in rows of these. */
            sums = vreinterpretq_s32_s8(vldrbq_z_s8(before + 4 * channel, vctp8q(4 * (channels - channel))));
        }
        for (uint32_t column = accumulate->input.width; column > 0; column--) {
            sums = vaddq_s32(sums, vldrbq_z_s32(element, exists));
            element += channels;
        }
        vstrbq_p_s8(output + 4 * channel, vreinterpretq_s8_s32(sums), vctp8q(4 * (channels - channel)));
    }
}
