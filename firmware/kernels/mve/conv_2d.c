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
static int8_t *copy_window(const ek_mve_conv_2d *conv, const int8_t *const *rows, int32_t left, int8_t *patch) {
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

void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t width = conv->output.width;
    const uint32_t last = width > EK_MVE_PIXELS ? width - EK_MVE_PIXELS : 0;
    ek_mve_requantization requantization;
    ek_mve_tile tile;
    tile.weights = conv->weights;
    tile.sums = scratch;
    tile.sums_end = tile.sums + (filters + filters % 2) * EK_MVE_PIXELS;
    tile.depth = (uint32_t)conv->window.height * conv->window.width * conv->input.channels;
    ek_mve_prepare(&requantization, &conv->stage, filters);
    for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
        requantization.offsets[i] = (i < width ? i : width - 1) * filters;
    }
    for (uint32_t x = 0;;) {
        int8_t *patch = (int8_t *)tile.sums_end;
        for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
            const uint32_t column = i < width ? x + i : width - 1;
            tile.pixels[i] = patch;
            patch = copy_window(conv, rows, (int32_t)(column * conv->window.stride) - conv->window.pad_left,
                                patch);
        }
        ek_mve_dot_tile(&tile);
        ek_mve_finish(&requantization, tile.sums, conv->stage.factors, output + x * filters, filters);
        if (x == last) {
            return;
        }
        x = x + EK_MVE_PIXELS < last ? x + EK_MVE_PIXELS : last;
    }
}
