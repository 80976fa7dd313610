/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEPTHWISE_CONV_2D of any window: see ek_kernels_mve.h. A row is computed in tiles of neighbouring pixels,
 * whose windows meet neighbouring columns. Where the window is dilated, every `phases`th pixel and every
 * `dilation`th column is what a neighbour is.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#include "depthwise_windows.h"
#include "fill.h"

/* What does not change along the row. */
static ek_mve_window_tile tile_of(const ek_mve_depthwise_windows *conv, const int8_t *const *rows,
                                  void *scratch) {
    const uint32_t output_step = (uint32_t)conv->phases * conv->output.channels;
    ek_mve_window_tile tile;
    for (uint32_t row = 0; row < conv->window.height && row < EK_MVE_FEW_ROWS; row++) {
        tile.few_rows[row] = rows[row];
    }
    tile.rows = rows;
    tile.height = conv->window.height;
    tile.column_step = (uint32_t)conv->window.dilation * conv->input.channels;
    tile.column_bytes = 4u * conv->window.height;
    tile.column_hop = 4 * tile.column_step;
    tile.slot_hop = 4 * tile.column_bytes;
    tile.sums = scratch;
    tile.columns = (int8_t *)scratch + EK_MVE_WINDOW_SUMS_BYTES;
    tile.pixel_bytes = conv->pixel_columns * tile.column_bytes;
    tile.steps = conv->steps;
    tile.stream = conv->stream;
    tile.stream_end = conv->stream + conv->stream_words;
    tile.output_hop = EK_MVE_PIXELS * output_step;
    tile.multiplier = conv->multiplier;
    tile.finish = ek_mve_finish_of(&conv->stage);
    vst1q_u32(tile.column_offsets, vmulq_n_u32(vidupq_n_u32(0, 1), tile.column_step));
    vst1q_u32(tile.output_offsets, vmulq_n_u32(vidupq_n_u32(0, 1), output_step));
    return tile;
}

/* How many of columns 0, 1, 2, ... behind column `left`, `dilation` apart, lie left of column `end`; 0 at
 * least. */
static int32_t columns_before(int32_t left, int32_t dilation, int32_t end) {
    return end > left ? (end - left + dilation - 1) / dilation : 0;
}

/* Where the columns come from and go that the pixels from number `x` on meet. */
static void place_columns(const ek_mve_depthwise_windows *conv, ek_mve_window_tile *tile, int32_t x) {
    const int32_t left = x * conv->window.stride - conv->window.pad_left;
    const int32_t count = ((int32_t)tile->pixels - 1) * conv->pixel_columns + conv->window.width;
    const int32_t dilation = conv->window.dilation;
    const int32_t first = columns_before(left, dilation, 0);
    const int32_t before_end = columns_before(left, dilation, conv->input.width);
    const int32_t end = before_end < count ? before_end : count;
    tile->inside = end > first ? (uint32_t)(end - first) : 0;
    tile->from = (uint32_t)((left + first * dilation) * conv->input.channels);
    tile->slot = tile->columns + first * (int32_t)tile->column_bytes;
    vst1q_u32(tile->slots,
              vmlaq_n_u32(vdupq_n_u32((uint32_t)tile->slot), vidupq_n_u32(0, 1), tile->column_bytes));
    if ((int32_t)tile->inside < count) {
        ek_mve_fill(tile->columns, conv->input_zero_point, count * (int32_t)tile->column_bytes);
    }
}

void ek_mve_depthwise_windows_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    const ek_mve_depthwise_windows *const conv = params;
    const uint32_t width = conv->output.width;
    const uint32_t phases = conv->phases;
    const uint32_t tile_step = phases * conv->tile_pixels;
    const int goes_by_words = conv->multiplier == 0 && conv->output.channels % 4 == 0;
    ek_mve_window_tile tile = tile_of(conv, rows, scratch);
    for (uint32_t phase = 0; phase < phases; phase++) {
        for (uint32_t x = phase; x < width; x += tile_step) {
            const uint32_t pixels = (width - x + phases - 1) / phases;
            tile.pixels = pixels < conv->tile_pixels ? pixels : conv->tile_pixels;
            tile.output = output + x * conv->output.channels;
            tile.channels = goes_by_words ? 0 : conv->output.channels;
            tile.repeats = conv->multiplier;
            place_columns(conv, &tile, (int32_t)x);
            ek_mve_depthwise_window_tile(&tile);
        }
    }
}
