/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D: four pixels of a row at a time. Their windows become words once, for all filters. */
#include "edgekit/ek_kernels_packed.h"

#include "../loops.h"
#include "tile.h"
#include "words.h"

#define PIXELS     4
#define QUAD_BYTES 32 /* of the words of four elements */

/* Where the windows of the four pixels begin, in columns of the input; negative left of it. */
typedef struct window_columns {
    int32_t left[PIXELS];
} window_columns;

/* Columns from the first that a window sees to behind the last. */
static int32_t span_of(const ek_packed_conv_2d *conv, const window_columns *columns) {
    return columns->left[PIXELS - 1] - columns->left[0] + (conv->window.width - 1) * conv->window.dilation +
           1;
}

/* Copies these columns of `row` to `line`, with the input's zero point outside the input. */
static EK_NOINLINE void fill_line(const ek_packed_conv_2d *conv, const window_columns *columns,
                                  const int8_t *row, int8_t *line) {
    const int32_t channels = conv->input.channels;
    const int32_t first = columns->left[0] * channels;
    const int32_t row_bytes = conv->input.width * channels;
    const int32_t end = first + span_of(conv, columns) * channels;
    int32_t i = first;
    EK_NO_UNROLL
    for (; i < end && i < 0; i++) {
        *line++ = conv->input_zero_point;
    }
    const int32_t inner_end = end < row_bytes ? end : row_bytes;
    EK_NO_UNROLL
    for (; i < inner_end; i++) {
        *line++ = row[i];
    }
    EK_NO_UNROLL
    for (; i < end; i++) {
        *line++ = conv->input_zero_point;
    }
}

/* The words of the windows. `line` is room for the columns of windows that hang over. */
static EK_NOINLINE void make_words(const ek_packed_conv_2d *conv, const window_columns *columns,
                                   const int8_t *const *rows, int8_t *line, int32_t *words) {
    const int32_t channels = conv->input.channels;
    const int32_t dilation = conv->window.dilation;
    /* Neighbouring columns lie side by side. */
    const int32_t runs = dilation == 1 ? 1 : conv->window.width;
    const int32_t run_bytes = (dilation == 1 ? conv->window.width : 1) * channels;
    const int hangs_over =
        conv->hangs_over &&
        (columns->left[0] < 0 || columns->left[0] + span_of(conv, columns) > conv->input.width);
    for (int32_t tap = 0; tap < conv->window.height; tap++) {
        const int8_t *pixel = line;
        if (hangs_over) {
            fill_line(conv, columns, rows[tap], line);
        } else {
            pixel = rows[tap] + columns->left[0] * channels;
        }
        for (int32_t run = 0; run < runs; run++) {
            const int8_t *pixels[PIXELS];
            for (int32_t i = 0; i < PIXELS; i++) {
                pixels[i] = pixel + (columns->left[i] - columns->left[0]) * channels;
            }
            words = ek_packed_words(pixels, words, (uint32_t)run_bytes);
            pixel += dilation * channels;
        }
    }
}

static EK_NOINLINE void conv_row(const ek_packed_conv_2d *conv, const int8_t *const *rows, int8_t *output,
                                 int32_t *words, ek_tile_function run_tile, ek_tile_function run_pair) {
    const int32_t width = conv->output.width;
    const int32_t channels = conv->output.channels;
    int8_t *const line = (int8_t *)words + (conv->depth + 3) / 4 * QUAD_BYTES;
    ek_tile tile = {conv->weights, conv->weights + conv->weights_words, words, output, {0, 0, 0}};
    window_columns columns;
    for (int32_t x = 0; x < width; x += PIXELS) {
        /* Beyond the row's end its last pixel is repeated. */
        for (int32_t i = 0; i < PIXELS; i++) {
            const int32_t pixel = x + i < width ? i : width - 1 - x;
            columns.left[i] = (x + pixel) * conv->window.stride - conv->window.pad_left;
            if (i > 0) {
                tile.offset[i - 1] = (uint32_t)(pixel * channels);
            }
        }
        tile.output = output + x * channels;
        make_words(conv, &columns, rows, line, words);
        if (width - x > 2) {
            run_tile(&tile);
        } else {
            run_pair(&tile);
        }
    }
}

void ek_packed_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_packed_tile, ek_packed_pair);
}

void ek_packed_conv_2d_signed_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    conv_row(params, rows, output, scratch, ek_packed_tile_signed, ek_packed_pair_signed);
}
