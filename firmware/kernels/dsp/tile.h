/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of three or two pixels of a row: what the convolutions are made of. */
#ifndef EDGEKIT_DSP_TILE_H
#define EDGEKIT_DSP_TILE_H

#include <stdint.h>

/*
 * A tile of three pixels, or of two, which are the same where a row has only one. tile.S and expand.S depend
 * on this layout.
 *
 * The elements of the pixels' windows become int16. Four elements a, b, c, d are a quad: words of two, the
 * first in the lower half, (a, c) of each pixel, then (b, d) of each. The elements that are left of a row of
 * the window when its quads are full come behind the quads of all rows, those of all rows after each other:
 * such a rest is (a, b), (c, d) of each pixel.
 */
typedef struct ek_dsp_tile {
    int32_t first;          /* where the first pixel's window begins in its rows, in bytes */
    uint32_t step;          /* from it to the second, and to the third */
    uint32_t row_quads;     /* of a row of the window */
    uint32_t row_rest;      /* elements that are left of it: 0 to 3 */
    int16_t *rest;          /* where the rests go: the first element of the first pixel */
    uint32_t *elements;     /* where the quads go */
    uint32_t offset_1;      /* from the output of the first pixel to that of the second */
    uint32_t offset_2;      /* and to that of the third */
    uint32_t last;          /* output channels - 1: at least 1 */
    uint32_t entry;         /* ek_dsp_conv_2d.entries */
    const uint32_t *end;    /* of quads and rests: at least one quad */
    const uint32_t *stream; /* ek_dsp_conv_2d.stream */
} ek_dsp_tile;

/*
 * Expands rows[0] to end[-1] of the windows, at least one. No byte outside the windows is read. What fills up
 * the last quad of the rests is left as it is; weights of zero meet it.
 */
typedef void ek_dsp_expand(const ek_dsp_tile *tile, const int8_t *const *rows, const int8_t *const *end);

/* All output channels of the tile, whose windows are expanded. `output` is that of the first pixel, one byte
 * a channel. */
typedef void ek_dsp_run_tile(const ek_dsp_tile *tile, int8_t *output);

ek_dsp_expand ek_dsp_expand_three;
ek_dsp_expand ek_dsp_expand_two;

ek_dsp_run_tile ek_dsp_tile_of_three; /* for ek_dsp_conv_2d_s8 */
ek_dsp_run_tile ek_dsp_tile_of_two;
ek_dsp_run_tile ek_dsp_tile_of_three_exact; /* for ek_dsp_conv_2d_exact_s8 */
ek_dsp_run_tile ek_dsp_tile_of_two_exact;

#endif /* EDGEKIT_DSP_TILE_H */
