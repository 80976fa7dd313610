/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "dot.h"
#include "window.h"

/* The taps of one output pixel's window that lie inside the input, as runs: stretches that are contiguous
 * in the input as well as in the weights. Strides are in elements. */
typedef struct tap_runs {
    const int8_t *input; /* the first tap inside */
    int32_t weights;     /* where that tap's weights lie within a filter */
    int32_t rows;
    int32_t runs; /* in each row */
    int32_t run_length;
    int32_t input_row;
    int32_t input_run;
    int32_t weights_row;
    int32_t weights_filter;
    int32_t zero_point;
} tap_runs;

/* The sums of `lanes` neighbouring filters, the first of which starts at `filter`. */
static inline void sum_lanes(const tap_runs *taps, const int8_t *filter, int32_t lanes,
                             uint32_t sums[EK_LANES]) {
    const int8_t *input_row = taps->input;
    const int8_t *weights_row = filter + taps->weights;
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t row = taps->rows; row > 0; row--) {
        const int8_t *input = input_row;
        const int8_t *weights = weights_row;
        for (int32_t run = taps->runs; run > 0; run--) {
            ek_dot_lanes(input, taps->zero_point, weights, taps->weights_filter, lanes, taps->run_length,
                         sums);
            input += taps->input_run;
            weights += taps->run_length;
        }
        input_row += taps->input_row;
        weights_row += taps->weights_row;
    }
}

/* All output channels of one pixel. */
static void conv_pixel(const ek_conv_2d *params, const tap_runs *taps, int8_t *output) {
    const int32_t filters = params->output.channels;
    const int8_t *weights = params->weights;
    for (int32_t filter = 0; filter < filters; filter += EK_LANES) {
        const int32_t lanes = filters - filter < EK_LANES ? filters - filter : EK_LANES;
        uint32_t sums[EK_LANES];
        sum_lanes(taps, weights, lanes, sums);
        ek_output_lanes(&params->stage, filter, lanes, sums, output + filter);
        weights += EK_LANES * taps->weights_filter;
    }
}

void ek_conv_2d_s8(const ek_conv_2d *params, const int8_t *input, int8_t *output) {
    const ek_window window = params->window;
    const ek_shape in = params->input;
    const ek_shape out = params->output;
    tap_runs taps;
    taps.input_row = window.dilation_height * in.width * in.channels;
    taps.input_run = window.dilation_width * in.channels;
    taps.weights_row = window.width * in.channels;
    taps.weights_filter = window.height * taps.weights_row;
    taps.zero_point = params->input_zero_point;
    for (int32_t y = 0; y < out.height; y++) {
        const int32_t top = y * window.stride_height - window.pad_top;
        const ek_taps rows = ek_taps_inside(top, window.dilation_height, window.height, in.height);
        taps.rows = rows.end - rows.begin;
        for (int32_t x = 0; x < out.width; x++) {
            const int32_t left = x * window.stride_width - window.pad_left;
            const ek_taps columns = ek_taps_inside(left, window.dilation_width, window.width, in.width);
            const int32_t count = columns.end - columns.begin;
            /* Neighbouring columns lie side by side: one run instead of one a column. */
            taps.runs = window.dilation_width == 1 ? 1 : count;
            taps.run_length = (window.dilation_width == 1 ? count : 1) * in.channels;
            taps.input = input + ((top * in.width + left) * in.channels + rows.begin * taps.input_row +
                                  columns.begin * taps.input_run);
            taps.weights = rows.begin * taps.weights_row + columns.begin * in.channels;
            conv_pixel(params, &taps, output);
            output += out.channels;
        }
    }
}
