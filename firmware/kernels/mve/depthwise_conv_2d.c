/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D, 3 x 3: see ek_kernels_mve.h. A row as tiles of about the same size; depthwise.h. */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#include "fill.h"
#include "depthwise.h"

/* What does not change along the row. */
static ek_mve_depthwise_tile tile_of(const ek_mve_depthwise_conv_2d *conv, void *scratch) {
    ek_mve_depthwise_tile tile;
    tile.stream = conv->stream;
    tile.stream_end = conv->stream + conv->stream_words;
    tile.sums = scratch;
    tile.columns = (int8_t *)scratch + EK_MVE_SUMS_BYTES;
    tile.finish = ek_mve_finish_of(&conv->stage);
    return tile;
}

/* Where columns come from and go: the tile's columns begin with `left`, of `count`. */
static void place_columns(const ek_mve_depthwise_conv_2d *conv, ek_mve_depthwise_tile *tile,
                          const int8_t *const *rows, int32_t left, int32_t count) {
    const uint32_t channels = conv->input.channels;
    const int32_t first = left < 0 ? 0 : left;
    const int32_t end = left + count < conv->input.width ? left + count : conv->input.width;
    const int32_t inside = end - first;
    const uint32_t latest = inside > EK_MVE_PIECE ? (uint32_t)inside - EK_MVE_PIECE : 0;
    const uint32x4_t lanes = vidupq_n_u32(0, 1);
    /* The last pieces end where the columns do. */
    const uint32x4_t starts = vminq_u32(vshlq_n_u32(lanes, 2), vdupq_n_u32(latest));
    const uint32_t slots = (uint32_t)(tile->columns + (first - left) * EK_MVE_COLUMN_BYTES);
    vst1q_u32(tile->slots, vaddq_n_u32(vmulq_n_u32(starts, EK_MVE_COLUMN_BYTES), slots));
    const uint32x4_t steps = vmulq_n_u32(lanes, channels);
    vst1q_u32(tile->offsets[0], steps);
    vst1q_u32(tile->offsets[1], vaddq_n_u32(steps, vgetq_lane_u32(starts, 1) * channels));
    vst1q_u32(tile->offsets[2], vaddq_n_u32(steps, vgetq_lane_u32(starts, 2) * channels));
    vst1q_u32(tile->offsets[3], vaddq_n_u32(steps, vgetq_lane_u32(starts, 3) * channels));
    for (uint32_t row = 0; row < EK_MVE_TAPS; row++) {
        tile->rows[row] = rows[row] + (uint32_t)first * channels;
    }
    tile->inside = (uint32_t)inside;
    tile->copy = inside < EK_MVE_PIECE ? 0 : inside <= 2 * EK_MVE_PIECE ? 1 : 2;
    if (inside < count) {
        ek_mve_fill(tile->columns, conv->input_zero_point, EK_MVE_COLUMN_BYTES * count);
    }
}

/* Where `pixels` of them go, from `output` on. */
static void place_outputs(const ek_mve_depthwise_conv_2d *conv, ek_mve_depthwise_tile *tile, uint32_t pixels,
                          int8_t *output) {
    const uint32_t vectors = (pixels + EK_MVE_PIXELS - 1) / EK_MVE_PIXELS;
    const uint32x4_t steps = vmulq_n_u32(vidupq_n_u32(0, 1), conv->output.channels);
    for (uint32_t i = 0; i < vectors; i++) {
        const uint32_t first = (uint32_t)(output + i * EK_MVE_PIXELS * conv->output.channels);
        vst1q_u32(tile->outputs[i], vaddq_n_u32(steps, first - EK_MVE_WORD));
    }
    tile->last = pixels - (vectors - 1) * EK_MVE_PIXELS;
    tile->last_sums = (vectors - 1) * 16;
    tile->finish_kind = conv->stage.sum_bits == 0 ? 3 : vectors - 1;
    tile->dot = conv->window.stride != 1 ? 2 : pixels > 6 ? 1 : 0;
}

void ek_mve_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    const ek_mve_depthwise_conv_2d *const conv = params;
    const uint32_t stride = conv->window.stride;
    const uint32_t width = conv->output.width;
    const uint32_t tiles = (width + conv->tile_pixels - 1) / conv->tile_pixels;
    const uint32_t step = (width + tiles - 1) / tiles;
    ek_mve_depthwise_tile tile = tile_of(conv, scratch);
    for (uint32_t x = 0; x < width; x += step) {
        const uint32_t pixels = width - x < step ? width - x : step;
        const int32_t left = (int32_t)(x * stride) - conv->window.pad_left;
        place_columns(conv, &tile, rows, left, (int32_t)((pixels - 1) * stride + EK_MVE_TAPS));
        place_outputs(conv, &tile, pixels, output + x * conv->output.channels);
        ek_mve_depthwise(&tile);
    }
}
