/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D: see ek_kernels_mve.h. The windows of four output pixels are copied one behind the other, so that
 * the dot products run over one stretch each. A copy serves all filters: it costs a tenth of the products
 * with 16 filters, and a fortieth with 64.
 */
#include "edgekit/ek_kernels_mve.h"

#include "copy.h"
#include "tile.h"

/* Copies the columns left..left+columns-1 of each row, some of which lie outside the input, to `staged`, and
 * has `staged_rows` point there. */
static void stage_columns(const ek_mve_conv_2d *conv, const int8_t *const *rows, int32_t left,
                          int32_t columns, int8_t *staged, const int8_t **staged_rows) {
    const int32_t channels = conv->input.channels;
    const int32_t beyond = left + columns - conv->input.width;
    const int32_t before = left < 0 ? -left : 0;
    const int32_t after = beyond > 0 ? beyond : 0;
    const int32_t inside = (columns - before - after) * channels;
    const int32_t first = (left + before) * channels;
    for (int32_t row = 0; row < conv->window.height; row++) {
        staged_rows[row] = staged;
        if (before != 0) {
            staged = ek_mve_fill(staged, conv->input_zero_point, before * channels);
        }
        staged = ek_mve_copy(staged, rows[row] + first, inside);
        if (after != 0) {
            staged = ek_mve_fill(staged, conv->input_zero_point, after * channels);
        }
    }
}

/* Copies the windows of the tile that starts at column `x` of the output. Those of pixels behind the row's
 * end hold anything. */
static void copy_tile(const ek_mve_conv_2d *conv, ek_mve_windows *windows, const int8_t *const *rows,
                      uint32_t x, const int8_t **staged_rows) {
    const int32_t left = (int32_t)x * conv->window.stride - conv->window.pad_left;
    const int32_t columns = (EK_MVE_PIXELS - 1) * conv->window.stride + conv->window.width;
    if (left >= 0 && left + columns <= conv->input.width) {
        windows->rows = rows;
        windows->first = (uint32_t)left * conv->input.channels;
    } else {
        int8_t *const staged = (int8_t *)(staged_rows + windows->height);
        stage_columns(conv, rows, left, columns, staged, staged_rows);
        windows->rows = staged_rows;
        windows->first = 0;
    }
    ek_mve_copy_windows(windows);
}

void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t width = conv->output.width;
    /* Of the scratch memory: row pointers and rows of a tile at an end of the row, patches. */
    const int8_t **const staged_rows = scratch;
    ek_mve_windows windows;
    windows.run = (uint32_t)conv->window.width * conv->input.channels;
    windows.height = conv->window.height;
    windows.step = (uint32_t)conv->window.stride * conv->input.channels;
    const uint32_t staged_bytes = (EK_MVE_PIXELS - 1) * windows.step + windows.run;
    windows.patches = (int8_t *)(staged_rows + windows.height) + windows.height * staged_bytes;
    const uint32_t depth = windows.height * windows.run;
    ek_mve_tile tile = ek_mve_tile_of(conv, depth);
    for (uint32_t x = 0; x < width; x += EK_MVE_PIXELS) {
        const uint32_t pixels = width - x < EK_MVE_PIXELS ? width - x : EK_MVE_PIXELS;
        copy_tile(conv, &windows, rows, x, staged_rows);
        ek_mve_run_tile(&tile, pixels, windows.patches, depth, output + x * filters, filters);
    }
}
