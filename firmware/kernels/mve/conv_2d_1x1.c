/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D with a window of one pixel: tiles of four pixels, read where they lie. See ek_kernels_mve.h. */
#include "edgekit/ek_kernels_mve.h"

#include "tile.h"

void ek_mve_conv_2d_1x1_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_conv_2d *const conv = params;
    const uint32_t step = (uint32_t)conv->window.stride * conv->input.channels;
    ek_mve_tile tile = ek_mve_tile_of(conv, conv->input.channels);
    (void)scratch;
    ek_mve_run_pixels(&tile, conv->output.width, rows[0], step, output, conv->output.channels);
}
