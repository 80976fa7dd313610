/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN over H and W: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"

void ek_mean_s8(const ek_mean *params, const int8_t *input, int8_t *output) {
    const int32_t channels = params->input.channels;
    const int32_t pixels = params->input.height * params->input.width;
    for (int32_t channel = 0; channel < channels; channel++) {
        uint32_t sum = 0;
        EK_NO_UNROLL
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            sum += (uint32_t)(input[pixel * channels + channel] - params->input_zero_point);
        }
        const int32_t mean = ek_requantize((int32_t)sum, params->multiplier, params->shift);
        output[channel] = ek_clamp(ek_wrapping_add(mean, params->output_zero_point), INT8_MIN, INT8_MAX);
    }
}
