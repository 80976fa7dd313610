/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels in assembly are handed: they depend on these layouts. */
#ifndef EDGEKIT_MVE_TILE_H
#define EDGEKIT_MVE_TILE_H

#include <stdint.h>

#include "edgekit/ek_kernels_mve.h"

#define EK_MVE_PIXELS     4
#define EK_MVE_STEP_BYTES 16

/* ek_mve_stage as words. */
typedef struct ek_mve_finish {
    int32_t sum_scale; /* 2^sum_bits; 0: two roundings */
    int32_t zero_point;
    int32_t activation_min;
    int32_t activation_max;
} ek_mve_finish;

/* Output pixels by all filters: dot products of `depth` elements each, requantized and stored. */
typedef struct ek_mve_tile {
    const int8_t *pixels[EK_MVE_PIXELS]; /* `depth` bytes at each */
    int8_t *outputs[EK_MVE_PIXELS];      /* aligned to 4; where a pixel comes twice its output does, too */
    const uint32_t *stream;              /* as in ek_mve_conv_2d */
    const uint32_t *stream_end;
    uint32_t depth;
    uint32_t tiles;       /* at least 1 */
    uint32_t pixel_step;  /* bytes from a tile's pixels to those of the next */
    uint32_t output_step; /* as much of the outputs, less the number of filters */
    ek_mve_finish finish;
} ek_mve_tile;

/* So many tiles of four pixels. */
void ek_mve_dot_tiles(const ek_mve_tile *tile);

/* The first pixel only. */
void ek_mve_dot_pixel(const ek_mve_tile *tile);

static inline ek_mve_finish ek_mve_finish_of(const ek_mve_stage *stage) {
    return (ek_mve_finish){stage->sum_bits != 0 ? 1 << stage->sum_bits : 0, stage->zero_point,
                           stage->activation_min, stage->activation_max};
}

/* What does not depend on the pixels. */
static inline ek_mve_tile ek_mve_tile_of(const ek_mve_conv_2d *conv, uint32_t depth) {
    ek_mve_tile tile;
    tile.stream = conv->stream;
    tile.stream_end = conv->stream + conv->stream_words;
    tile.depth = depth;
    tile.finish = ek_mve_finish_of(&conv->stage);
    return tile;
}

/* The pixels lie `pixel_bytes` apart, their outputs `output_bytes`; a tile of fewer has its last one again.
 */
static inline void ek_mve_place_tile(ek_mve_tile *tile, uint32_t pixels, const int8_t *pixel,
                                     uint32_t pixel_bytes, int8_t *output, uint32_t output_bytes) {
    for (uint32_t i = 0; i < EK_MVE_PIXELS; i++) {
        tile->pixels[i] = pixel;
        tile->outputs[i] = output;
        if (i + 1 < pixels) {
            pixel += pixel_bytes;
            output += output_bytes;
        }
    }
}

/* Any number of pixels: tiles of four, of which the last may have three; one or two are cheaper on their own.
 */
static inline void ek_mve_run_pixels(ek_mve_tile *tile, uint32_t pixels, const int8_t *pixel,
                                     uint32_t pixel_bytes, int8_t *output, uint32_t output_bytes) {
    tile->pixel_step = EK_MVE_PIXELS * pixel_bytes;
    tile->output_step = (EK_MVE_PIXELS - 1) * output_bytes;
    tile->tiles = pixels / EK_MVE_PIXELS;
    while (pixels > 2) {
        const uint32_t done = tile->tiles != 0 ? tile->tiles * EK_MVE_PIXELS : pixels;
        tile->tiles += tile->tiles == 0;
        ek_mve_place_tile(tile, pixels, pixel, pixel_bytes, output, output_bytes);
        ek_mve_dot_tiles(tile);
        pixel += done * pixel_bytes;
        output += done * output_bytes;
        pixels -= done;
        tile->tiles = 0;
    }
    for (; pixels > 0; pixels--) {
        tile->pixels[0] = pixel;
        tile->outputs[0] = output;
        ek_mve_dot_pixel(tile);
        pixel += pixel_bytes;
        output += output_bytes;
    }
}

#endif /* EDGEKIT_MVE_TILE_H */
