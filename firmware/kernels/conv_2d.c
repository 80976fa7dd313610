/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "dot.h"
#include "requantize.h"
#include "window.h"

/* All output channels of one pixel. Tap (0, 0) of its window lies `origin` elements into the input (before
 * it where negative); the taps `rows` x `columns` lie inside. */
static inline void conv_pixel(const ek_conv_2d *params, ek_taps rows, ek_taps columns, int32_t origin,
                              const int8_t *input, int8_t *output) {
    const int32_t channels = params->input.channels;
    const int32_t filters = params->output.channels;
    const int32_t weights_row = params->window.width * channels;
    const int32_t weights_filter = params->window.height * weights_row;
    const int32_t input_row = params->window.dilation_height * params->input.width * channels;
    const int32_t input_column = params->window.dilation_width * channels;
    const int32_t zero_point = params->input_zero_point;
    /* Neighbouring columns lie side by side in input and weights: one run instead of one a column. */
    const int32_t columns_a_run = params->window.dilation_width == 1 ? columns.end - columns.begin : 1;

    for (int32_t filter = 0; filter < filters; filter += EK_LANES) {
        const int32_t lanes = filters - filter < EK_LANES ? filters - filter : EK_LANES;
        const int8_t *const weights = params->weights + filter * weights_filter;
        uint32_t sums[EK_LANES] = {0, 0, 0, 0};
        for (int32_t row = rows.begin; row < rows.end; row++) {
            for (int32_t column = columns.begin; column < columns.end; column += columns_a_run) {
                ek_dot_lanes(input + (origin + row * input_row + column * input_column), zero_point,
                             weights + row * weights_row + column * channels, weights_filter, lanes,
                             columns_a_run * channels, sums);
            }
        }
        for (int32_t lane = 0; lane < lanes; lane++) {
            *output++ = ek_output(&params->stage, filter + lane, sums[lane]);
        }
    }
}

void ek_conv_2d_s8(const ek_conv_2d *params, const int8_t *input, int8_t *output) {
    const ek_window window = params->window;
    const ek_shape in = params->input;
    const ek_shape out = params->output;
    for (int32_t y = 0; y < out.height; y++) {
        const int32_t top = y * window.stride_height - window.pad_top;
        const ek_taps rows = ek_taps_inside(top, window.dilation_height, window.height, in.height);
        for (int32_t x = 0; x < out.width; x++) {
            const int32_t left = x * window.stride_width - window.pad_left;
            const ek_taps columns = ek_taps_inside(left, window.dilation_width, window.width, in.width);
            conv_pixel(params, rows, columns, (top * in.width + left) * in.channels, input, output);
            output += out.channels;
        }
    }
}
