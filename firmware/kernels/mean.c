/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN over H and W: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"

void ek_mean_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_mean *const mean = params;
    const int32_t channels = mean->input.channels;
    (void)scratch;
    for (int32_t channel = 0; channel < channels; channel++) {
        uint32_t sum = 0;
        for (int32_t row = 0; row < mean->height; row++) {
            const int8_t *input = rows[row] + channel;
            EK_NO_UNROLL
            for (int32_t column = mean->input.width; column > 0; column--) {
                sum += (uint32_t)(*input - mean->input_zero_point);
                input += channels;
            }
        }
        const int32_t value = ek_requantize((int32_t)sum, mean->multiplier, mean->shift);
        output[channel] = ek_clamp(ek_wrapping_add(value, mean->output_zero_point), INT8_MIN, INT8_MAX);
    }
}
