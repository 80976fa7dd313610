/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "lanes.h"
#include "window.h"

/* The taps of one output pixel's window that lie inside the input. Strides are in elements. */
typedef struct tap_grid {
    const int8_t *const *rows;
    ek_taps rows_inside;
    int32_t first;                  /* where the first tap's input channel 0 lies within a row of the input */
    const EK_FLASH int8_t *weights; /* of the first tap, output channel 0 */
    int32_t columns;
    int32_t input_column;
    int32_t weights_row;
    int32_t weights_column;
    int32_t zero_point;
} tap_grid;

/* The sum of output channel `o`, which reads input channel `c`. Products are within 255 * 128, so 16 bits do
 * where int has no more. */
static EK_NOINLINE uint32_t sum_of_one(const tap_grid *grid, int32_t c, int32_t o) {
    const EK_FLASH int8_t *w = grid->weights + o;
    uint32_t sum = 0;
    for (int32_t row = grid->rows_inside.begin; row < grid->rows_inside.end; row++) {
        const int8_t *x = grid->rows[row] + (grid->first + c);
        EK_NO_UNROLL
        for (int32_t column = 0; column < grid->columns; column++) {
            sum += (uint32_t)((x[column * grid->input_column] - (int)grid->zero_point) *
                              w[column * grid->weights_column]);
        }
        w += grid->weights_row;
    }
    return sum;
}

/*
 * The sums of output channels o..o+3, which read input channels c, c + step, c + 2 * step, c + 3 * step:
 * one pass over the taps for four channels.
 */
static EK_NOINLINE void sum_lanes(const tap_grid *grid, int32_t c, int32_t step, int32_t o,
                                  uint32_t sums[EK_LANES]) {
    const int zero_point = (int)grid->zero_point;
    const int32_t input_column = grid->input_column;
    const int32_t weights_column = grid->weights_column;
    const EK_FLASH int8_t *weights_row = grid->weights + o;
    uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t row = grid->rows_inside.begin; row < grid->rows_inside.end; row++) {
        const int8_t *x = grid->rows[row] + (grid->first + c);
        const EK_FLASH int8_t *w = weights_row;
        EK_NO_UNROLL
        for (int32_t column = grid->columns; column > 0; column--) {
            s0 += (uint32_t)((x[0] - zero_point) * w[0]);
            s1 += (uint32_t)((x[step] - zero_point) * w[1]);
            s2 += (uint32_t)((x[2 * step] - zero_point) * w[2]);
            s3 += (uint32_t)((x[3 * step] - zero_point) * w[3]);
            x += input_column;
            w += weights_column;
        }
        weights_row += grid->weights_row;
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

/* All output channels of one pixel. */
static void depthwise_pixel(const EK_FLASH ek_depthwise_conv_2d *conv, const tap_grid *grid, int8_t *output) {
    const int32_t multiplier = conv->depth_multiplier;
    /* A run is a stretch of output channels whose input channels are equidistant: all of them where each
     * has an input channel of its own, else those that share one. */
    const int32_t step = multiplier == 1 ? 1 : 0;
    const int32_t runs = multiplier == 1 ? 1 : conv->input.channels;
    const int32_t run_length = multiplier == 1 ? conv->output.channels : multiplier;
    for (int32_t run = 0; run < runs; run++) {
        int32_t lanes;
        for (int32_t i = 0; i < run_length; i += lanes) {
            const int32_t o = run * run_length + i;
            const int32_t c = run + i * step;
            uint32_t sums[EK_LANES];
            lanes = run_length - i >= EK_LANES ? EK_LANES : 1;
            if (lanes == EK_LANES) {
                sum_lanes(grid, c, step, o, sums);
            } else {
                sums[0] = sum_of_one(grid, c, o);
            }
            ek_output_lanes(&conv->stage, o, lanes, sums, output + o);
        }
    }
}

void ek_depthwise_conv_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                             void *scratch) {
    const EK_FLASH ek_depthwise_conv_2d *const conv = params;
    const ek_window window = conv->window;
    const ek_row_shape in = conv->input;
    tap_grid grid;
    (void)scratch;
    grid.rows = rows;
    grid.rows_inside = ek_rows_inside(rows, window.height);
    grid.weights_column = conv->output.channels;
    grid.weights_row = window.width * grid.weights_column;
    grid.input_column = (int32_t)window.dilation * in.channels;
    grid.zero_point = conv->input_zero_point;
    const EK_FLASH int8_t *const weights = conv->weights + grid.rows_inside.begin * grid.weights_row;
    for (int32_t x = 0; x < conv->output.width; x++) {
        const int32_t left = x * window.stride - window.pad_left;
        const ek_taps columns = ek_taps_inside(left, window.dilation, window.width, in.width);
        grid.columns = columns.end - columns.begin;
        grid.first = left * in.channels + columns.begin * grid.input_column;
        grid.weights = weights + columns.begin * grid.weights_column;
        depthwise_pixel(conv, &grid, output);
        output += conv->output.channels;
    }
}
