/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEPTHWISE_CONV_2D, 3 x 3: see ek_kernels_mve.h. Tiles of six pixels at stride 1, three at stride 2, by up
 * to 16 channels; depthwise.h has the steps.
 */
#include "edgekit/ek_kernels_mve.h"

#include "depthwise.h"
#include "tile.h"

#define SUMS_BYTES (2 * EK_MVE_LANES * EK_MVE_PIXELS * 4) /* of the scratch memory; the quads lie behind */

/* One tile: what all of its channels share. */
typedef struct depthwise_tile {
    ek_mve_columns columns;
    ek_mve_taps taps;
    ek_mve_requantization requantization;
    uint32_t pixels;  /* those that exist */
    uint32_t filters; /* output channels */
} depthwise_tile;

/* All channels of the tile whose first column is `left`. */
static void run_tile(const ek_mve_depthwise_conv_2d *conv, depthwise_tile *tile, const int8_t *const *rows,
                     int32_t left, int8_t *output) {
    const int32_t inside = conv->input.width - left;
    const uint32_t odd = tile->filters % 4;
    const int32_t *factors = conv->stage.factors;
    ek_mve_requantization *const requantization = &tile->requantization;
    uint32_t lanes = odd != 0 ? EK_MVE_LANES - 4 + odd : EK_MVE_LANES; /* groups of four do not straddle */
    tile->columns.end = inside < EK_MVE_COLUMNS ? (uint32_t)inside : EK_MVE_COLUMNS;
    tile->columns.skips_first = left < 0;
    const int32_t last = (left + (int32_t)tile->columns.end - 1) * conv->input.channels;
    for (uint32_t channel = 0; channel < tile->filters;) {
        lanes = lanes < tile->filters - channel ? lanes : tile->filters - channel;
        for (uint32_t row = 0; row < EK_MVE_TAPS; row++) {
            tile->columns.rows[row] = rows[row] + last + channel;
        }
        tile->columns.lanes = tile->taps.lanes = lanes;
        tile->taps.weights = conv->weights + channel * EK_MVE_TAPS * EK_MVE_TAPS;
        ek_mve_interleave(&tile->columns);
        ek_mve_dot_taps(&tile->taps);
        requantization->pixels = tile->pixels < EK_MVE_PIXELS ? tile->pixels : EK_MVE_PIXELS;
        ek_mve_finish(requantization, tile->taps.sums, factors, output, lanes);
        if (tile->pixels > EK_MVE_PIXELS) {
            requantization->pixels = tile->pixels - EK_MVE_PIXELS;
            ek_mve_finish(requantization, tile->taps.sums + EK_MVE_PIXELS * EK_MVE_LANES, factors,
                          output + EK_MVE_PIXELS * tile->filters, lanes);
        }
        factors += (lanes + 3) / 4 * 9;
        output += lanes;
        channel += lanes;
        lanes = EK_MVE_LANES;
    }
}

void ek_mve_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    const ek_mve_depthwise_conv_2d *const conv = params;
    const uint32_t stride = conv->window.stride;
    const uint32_t width = conv->output.width;
    const uint32_t step = stride == 1 ? 2 * EK_MVE_QUADS : EK_MVE_QUADS;
    const uint32_t last = width > step ? width - step : 0;
    depthwise_tile tile;
    tile.pixels = width < step ? width : step;
    tile.filters = conv->output.channels;
    tile.taps.sums = scratch;
    tile.taps.quads = tile.columns.quads = (int8_t *)scratch + SUMS_BYTES;
    tile.taps.stride = stride;
    tile.columns.step = conv->input.channels;
    tile.columns.zero_point = conv->input_zero_point;
    ek_mve_prepare(&tile.requantization, &conv->stage, tile.filters);
    for (uint32_t x = 0;;) {
        run_tile(conv, &tile, rows, (int32_t)(x * stride) - conv->window.pad_left, output + x * tile.filters);
        if (x == last) {
            return;
        }
        /* The last tile overlaps the one before it where the width is no multiple of a tile's. */
        x = x + step < last ? x + step : last;
    }
}
