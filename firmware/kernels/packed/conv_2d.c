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

/* Whether no window hangs over an edge, so that the columns of each lie side by side. */
static int is_inside(const ek_packed_conv_2d *conv, const window_columns *columns) {
    const int32_t reach = conv->window.width - 1;
    return conv->window.dilation == 1 &&
           (!conv->hangs_over ||
            (columns->left[0] >= 0 && columns->left[PIXELS - 1] + reach < conv->input.width));
}

/* The words of one row of the windows, column by column: `outside` are the elements of a column that lies
 * outside the input. */
static EK_NOINLINE int32_t *words_by_column(const ek_packed_conv_2d *conv, const window_columns *columns,
                                            const int8_t *row, const int8_t *outside, int32_t *words) {
    const int32_t channels = conv->input.channels;
    const int32_t dilation = conv->window.dilation;
    const int8_t *pixels[PIXELS];
    for (int32_t offset = 0; offset < conv->window.width * dilation; offset += dilation) {
        for (int32_t i = 0; i < PIXELS; i++) {
            const int32_t column = columns->left[i] + offset;
            const int inside = column >= 0 && column < conv->input.width;
            pixels[i] = inside ? row + column * channels : outside;
        }
        words = ek_packed_words(pixels, words, (uint32_t)channels);
    }
    return words;
}

/* The words of the windows. */
static EK_NOINLINE void make_words(const ek_packed_conv_2d *conv, const window_columns *columns,
                                   const int8_t *const *rows, const int8_t *outside, int32_t *words) {
    const int32_t channels = conv->input.channels;
    const int inside = is_inside(conv, columns);
    for (int32_t tap = 0; tap < conv->window.height; tap++) {
        if (inside) {
            const int8_t *pixels[PIXELS];
            for (int32_t i = 0; i < PIXELS; i++) {
                pixels[i] = rows[tap] + columns->left[i] * channels;
            }
            words = ek_packed_words(pixels, words, (uint32_t)(conv->window.width * channels));
        } else {
            words = words_by_column(conv, columns, rows[tap], outside, words);
        }
    }
}

static EK_NOINLINE void conv_row(const ek_packed_conv_2d *conv, const int8_t *const *rows, int8_t *output,
                                 int32_t *words, void (*run_tile)(const ek_tile *tile)) {
    const int32_t width = conv->output.width;
    const int32_t channels = conv->output.channels;
    int8_t *const outside = (int8_t *)words + (conv->depth + 3) / 4 * QUAD_BYTES;
    ek_tile tile = {conv->weights, conv->weights + conv->weights_words, words, output, {0, 0, 0}};
    window_columns columns;
    if (conv->hangs_over) {
        for (int32_t i = 0; i < conv->input.channels; i++) {
            outside[i] = conv->input_zero_point;
        }
    }
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
        make_words(conv, &columns, rows, outside, words);
        run_tile(&tile);
    }
}

void ek_packed_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_packed_tile);
}

void ek_packed_conv_2d_signed_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    conv_row(params, rows, output, scratch, ek_packed_tile_signed);
}
