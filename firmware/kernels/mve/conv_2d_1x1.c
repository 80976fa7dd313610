/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D with a window of one pixel: tiles of four pixels, read where they lie. See ek_kernels_mve.h. */
#include "edgekit/ek_kernels_mve.h"

#include "tile.h"

void ek_mve_conv_2d_1x1_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t width = conv->output.width;
    const uint32_t step = (uint32_t)conv->window.stride * conv->input.channels;
    const uint32_t last = width > EK_MVE_PIXELS ? width - EK_MVE_PIXELS : 0;
    ek_mve_requantization requantization;
    ek_mve_tile tile;
    tile.weights = conv->weights;
    tile.sums = scratch;
    tile.sums_end = tile.sums + (filters + filters % 2) * EK_MVE_PIXELS;
    tile.depth = conv->input.channels;
    ek_mve_prepare(&requantization, &conv->stage, filters);
    requantization.pixels = width < EK_MVE_PIXELS ? width : EK_MVE_PIXELS;
    for (uint32_t x = 0;;) {
        for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
            /* A row of fewer pixels has its last one again. */
            tile.pixels[i] = rows[0] + (i < width ? x + i : width - 1) * step;
        }
        ek_mve_dot_tile(&tile);
        ek_mve_finish(&requantization, tile.sums, conv->stage.factors, output + x * filters, filters);
        if (x == last) {
            return;
        }
        /* The last tile overlaps the one before it where the width is no multiple of four. */
        x = x + EK_MVE_PIXELS < last ? x + EK_MVE_PIXELS : last;
    }
}
