/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D: see ek_kernels_mve.h. The windows of four output pixels are copied one behind the other, so that
 * the dot products run over one stretch each. A copy serves all filters: it costs a tenth of the products
 * with 16 filters, and a fortieth with 64.
 */
#include "edgekit/ek_kernels_mve.h"

#include "copy.h"
#include "tile.h"

/* Copies the window whose first column is `left` to `patch`. Returns the end of what it wrote. */
static int8_t *copy_window(const ek_mve_conv_2d *conv, const int8_t *const *rows, int32_t left,
                           int8_t *patch) {
    const int32_t channels = conv->input.channels;
    const int32_t columns = conv->window.width;
    const int32_t beyond = left + columns - conv->input.width;
    const int32_t before = left < 0 ? -left : 0;
    const int32_t after = beyond > 0 ? beyond : 0;
    const int32_t inside = (columns - before - after) * channels;
    const int32_t first = (left + before) * channels;
    for (int32_t row = 0; row < conv->window.height; row++) {
        if (before != 0) {
            patch = ek_mve_fill(patch, conv->input_zero_point, before * channels);
        }
        patch = ek_mve_copy(patch, rows[row] + first, inside);
        if (after != 0) {
            patch = ek_mve_fill(patch, conv->input_zero_point, after * channels);
        }
    }
    return patch;
}

/* Copies the windows of the tile that starts at column `x` of the output, one of a row of `width`. */
static void copy_tile(const ek_mve_conv_2d *conv, ek_mve_windows *windows, uint32_t x, uint32_t width) {
    const int32_t stride = conv->window.stride;
    const int32_t left = (int32_t)x * stride - conv->window.pad_left;
    const int32_t end = left + (EK_MVE_PIXELS - 1) * stride + conv->window.width;
    int8_t *patch = windows->patches;
    if (left >= 0 && end <= conv->input.width) {
        windows->first = (uint32_t)left * conv->input.channels;
        ek_mve_copy_windows(windows);
        return;
    }
    for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
        /* A row of fewer pixels has its last one again. */
        const uint32_t pixel = i < width ? i : width - 1;
        patch = copy_window(conv, windows->rows, left + (int32_t)pixel * stride, patch);
    }
}

void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t width = conv->output.width;
    const uint32_t last = width > EK_MVE_PIXELS ? width - EK_MVE_PIXELS : 0;
    ek_mve_requantization requantization;
    ek_mve_windows windows;
    ek_mve_tile tile;
    tile.weights = conv->weights;
    tile.sums = scratch;
    tile.sums_end = tile.sums + (filters + filters % 2) * EK_MVE_PIXELS;
    windows.patches = (int8_t *)tile.sums_end;
    windows.rows = rows;
    windows.run = (uint32_t)conv->window.width * conv->input.channels;
    windows.height = conv->window.height;
    windows.step = (uint32_t)conv->window.stride * conv->input.channels;
    tile.depth = windows.height * windows.run;
    ek_mve_prepare(&requantization, &conv->stage, filters);
    requantization.pixels = width < EK_MVE_PIXELS ? width : EK_MVE_PIXELS;
    for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
        tile.pixels[i] = windows.patches + i * tile.depth;
    }
    for (uint32_t x = 0;;) {
        copy_tile(conv, &windows, x, width);
        ek_mve_dot_tile(&tile);
        ek_mve_finish(&requantization, tile.sums, conv->stage.factors, output + x * filters, filters);
        if (x == last) {
            return;
        }
        /* The last tile overlaps the one before it where the width is no multiple of four. */
        x = x + EK_MVE_PIXELS < last ? x + EK_MVE_PIXELS : last;
    }
}
