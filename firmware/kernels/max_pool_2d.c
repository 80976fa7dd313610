/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "requantize.h"
#include "window.h"

void ek_max_pool_2d_s8(const ek_pool_2d *params, const int8_t *input, int8_t *output) {
    const ek_window window = params->window;
    const ek_shape in = params->input;
    const ek_shape out = params->output;
    for (int32_t y = 0; y < out.height; y++) {
        const int32_t top = y * window.stride_height - window.pad_top;
        const ek_taps rows = ek_taps_inside(top, 1, window.height, in.height);
        for (int32_t x = 0; x < out.width; x++) {
            const int32_t left = x * window.stride_width - window.pad_left;
            const ek_taps columns = ek_taps_inside(left, 1, window.width, in.width);
            for (int32_t channel = 0; channel < in.channels; channel++) {
                int32_t highest = INT8_MIN;
                for (int32_t row = top + rows.begin; row < top + rows.end; row++) {
                    const int8_t *tap =
                        input + ((row * in.width + left + columns.begin) * in.channels + channel);
                    EK_NO_UNROLL
                    for (int32_t column = columns.begin; column < columns.end; column++) {
                        highest = *tap > highest ? *tap : highest;
                        tap += in.channels;
                    }
                }
                *output++ = ek_clamp(highest, params->activation_min, params->activation_max);
            }
        }
    }
}
