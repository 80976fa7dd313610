/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "dot.h"
#include "window.h"

/* The taps of one output pixel's window that lie inside the input, as runs: stretches that are contiguous
 * in a row of the input as well as in the weights. Strides are in elements. */
typedef struct tap_runs {
    const int8_t *const *rows;
    ek_taps rows_inside;
    int32_t first;   /* where the first tap inside lies within a row of the input */
    int32_t weights; /* where that tap's weights lie within a row of a filter */
    int32_t runs;    /* in each row */
    int32_t run_length;
    int32_t input_run;
    int32_t weights_row;
    int32_t weights_filter;
    int32_t zero_point;
} tap_runs;

/* The sums of `lanes` neighbouring filters, the first of which starts at `filter`. */
static inline void sum_lanes(const tap_runs *taps, const EK_FLASH int8_t *filter, int32_t lanes,
                             uint32_t sums[EK_LANES]) {
    const EK_FLASH int8_t *weights_row =
        filter + (taps->rows_inside.begin * taps->weights_row + taps->weights);
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t row = taps->rows_inside.begin; row < taps->rows_inside.end; row++) {
        const int8_t *input = taps->rows[row] + taps->first;
        const EK_FLASH int8_t *weights = weights_row;
        for (int32_t run = taps->runs; run > 0; run--) {
            ek_dot_lanes(input, taps->zero_point, weights, taps->weights_filter, lanes, taps->run_length,
                         sums);
            input += taps->input_run;
            weights += taps->run_length;
        }
        weights_row += taps->weights_row;
    }
}

/* All output channels of one pixel. */
static void conv_pixel(const EK_FLASH ek_conv_2d *conv, const tap_runs *taps, int8_t *output) {
    const int32_t filters = conv->output.channels;
    const EK_FLASH int8_t *weights = conv->weights;
    for (int32_t filter = 0; filter < filters; filter += EK_LANES) {
        const int32_t lanes = filters - filter < EK_LANES ? filters - filter : EK_LANES;
        uint32_t sums[EK_LANES];
        sum_lanes(taps, weights, lanes, sums);
        ek_output_lanes(&conv->stage, filter, lanes, sums, output + filter);
        weights += EK_LANES * taps->weights_filter;
    }
}

void ek_conv_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_conv_2d *const conv = params;
    const ek_window window = conv->window;
    const ek_row_shape in = conv->input;
    tap_runs taps;
    (void)scratch;
    taps.rows = rows;
    taps.rows_inside = ek_rows_inside(rows, window.height);
    taps.input_run = (int32_t)window.dilation * in.channels;
    taps.weights_row = (int32_t)window.width * in.channels;
    taps.weights_filter = window.height * taps.weights_row;
    taps.zero_point = conv->input_zero_point;
    for (int32_t x = 0; x < conv->output.width; x++) {
        const int32_t left = x * window.stride - window.pad_left;
        const ek_taps columns = ek_taps_inside(left, window.dilation, window.width, in.width);
        const int32_t count = columns.end - columns.begin;
        /* Neighbouring columns lie side by side: one run instead of one a column. */
        taps.runs = window.dilation == 1 ? 1 : count;
        taps.run_length = (window.dilation == 1 ? count : 1) * in.channels;
        taps.first = left * in.channels + columns.begin * taps.input_run;
        taps.weights = columns.begin * in.channels;
        conv_pixel(conv, &taps, output);
        output += conv->output.channels;
    }
}
