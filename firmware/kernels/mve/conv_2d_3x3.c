/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D, 3 x 3, of channels in sixteens: see ek_kernels_mve.h. The columns that four neighbouring windows
 * share are copied to where the assembly finds sixteen channels of all of them in a row. Where an input has
 * no more, they are that already, but at the ends of rows: columns outside become the input's zero point.
 */
#include "edgekit/ek_kernels_mve.h"

#include "columns.h"
#include "fill.h"

#define TAPS     3
#define CHANNELS 16

/* Columns of a tile: every `step`th of `count` from `first` on, and the slot where the first one goes. */
typedef struct columns {
    int32_t first;
    int32_t step;
    int32_t count;
    int32_t slot;
} columns;

static const columns NEIGHBOURS = {0, 1, 6, 0}, EVEN = {0, 2, 5, 0}, ODD = {1, 2, 4, 5};

/* Copies those inside the input to `copied`, which begins with column `left` and has `slots` a block. */
static void copy_columns(const ek_mve_conv_2d *conv, const int8_t *const *rows, int32_t left,
                         const columns *which, int8_t *copied, int32_t slots) {
    const int32_t channels = conv->input.channels;
    int32_t column = left + which->first;
    int32_t slot = which->slot;
    int32_t count = which->count;
    for (; column < 0; column += which->step) {
        slot++;
        count--;
    }
    while (column + (count - 1) * which->step >= conv->input.width) {
        count--;
    }
    const ek_mve_column_copy copy = {
        rows,
        (uint32_t)(which->step * channels),
        (uint32_t)count,
        (uint32_t)(column * channels),
        copied + slot * CHANNELS,
        (uint32_t)channels / CHANNELS,
        (uint32_t)(slots * CHANNELS),
    };
    ek_mve_copy_columns(&copy);
}

/* Has the tile's columns lie as the assembly wants them; `left` is the first in the input. */
static void place_columns(const ek_mve_conv_2d *conv, const int8_t *const *rows, int32_t left,
                          int8_t *copied) {
    const int32_t slots = conv->window.stride == 2 ? EVEN.count + ODD.count : NEIGHBOURS.count;
    if (left < 0 || left + slots > conv->input.width) {
        ek_mve_fill(copied, conv->input_zero_point, TAPS * slots * conv->input.channels);
    }
    if (conv->window.stride == 2) {
        copy_columns(conv, rows, left, &EVEN, copied, slots);
        copy_columns(conv, rows, left, &ODD, copied, slots);
    } else {
        copy_columns(conv, rows, left, &NEIGHBOURS, copied, slots);
    }
}

/* The tile whose first column is `left`. */
static void run_tile(const ek_mve_conv_2d *conv, ek_mve_columns *tile, const int8_t *const *rows,
                     int32_t left, int8_t *copied) {
    const int8_t *starts[TAPS];
    if (conv->window.stride == 2) {
        place_columns(conv, rows, left, copied);
        tile->columns = copied + (EVEN.count - 1) * CHANNELS;
        ek_mve_dot_strided_columns(tile);
    } else if (tile->blocks > 1) {
        place_columns(conv, rows, left, copied);
        tile->columns = copied + (NEIGHBOURS.count - 1) * CHANNELS;
        ek_mve_dot_columns(tile);
    } else {
        const int is_inside = left >= 0 && left + NEIGHBOURS.count <= conv->input.width;
        if (!is_inside) {
            place_columns(conv, rows, left, copied);
        }
        for (int32_t row = 0; row < TAPS; row++) {
            starts[row] =
                is_inside ? rows[row] + left * CHANNELS : copied + row * NEIGHBOURS.count * CHANNELS;
            starts[row] += (NEIGHBOURS.count - 1) * CHANNELS;
        }
        tile->columns = starts;
        ek_mve_dot_rows(tile);
    }
}

void ek_mve_conv_2d_3x3_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t last = conv->output.width - EK_MVE_PIXELS;
    ek_mve_columns tile;
    tile.finish = ek_mve_finish_of(&conv->stage);
    tile.stream = conv->stream;
    tile.stream_end = conv->stream + conv->stream_words;
    tile.blocks = conv->input.channels / CHANNELS;
    for (uint32_t x = 0;;) {
        for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
            tile.outputs[i] = (uint32_t)(output + (x + i) * filters) - 4;
        }
        run_tile(conv, &tile, rows, (int32_t)(x * conv->window.stride) - conv->window.pad_left, scratch);
        if (x == last) {
            return;
        }
        /* The last tile overlaps the one before it where the width is no multiple of four. */
        x = x + EK_MVE_PIXELS < last ? x + EK_MVE_PIXELS : last;
    }
}
