/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D with a window of one pixel: tiles of four pixels, read where they lie. See ek_kernels_mve.h. */
#include "edgekit/ek_kernels_mve.h"

#include "tile.h"

void ek_mve_conv_2d_1x1_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t filters = conv->output.channels;
    const uint32_t step = (uint32_t)conv->window.stride * conv->input.channels;
    const uint32_t left = conv->output.width % EK_MVE_PIXELS;
    const int8_t *pixel = rows[0];
    ek_mve_tile tile = ek_mve_tile_of(conv, conv->input.channels);
    (void)scratch;
    tile.tiles = conv->output.width / EK_MVE_PIXELS;
    tile.pixel_step = EK_MVE_PIXELS * step;
    tile.output_step = (EK_MVE_PIXELS - 1) * filters;
    if (tile.tiles != 0) {
        ek_mve_place_tile(&tile, EK_MVE_PIXELS, pixel, step, output, filters);
        ek_mve_dot_tiles(&tile);
        pixel += tile.tiles * tile.pixel_step;
        output += tile.tiles * EK_MVE_PIXELS * filters;
    }
    tile.tiles = 1;
    ek_mve_run_tile(&tile, left, pixel, step, output, filters);
}
