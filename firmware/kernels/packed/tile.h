/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All filters of a convolution on four pixels, for cores that multiply 32 bits and have no vectors.
 *
 * The idea: one multiplication of 32 bits for two pixels. A word holds the elements a of one pixel and b of
 * another as a + 65536 * b; times a weight it holds both products, and words can be added as long as the
 * lower sum stays within 16 bits with its sign: that is a quad, four weights whose magnitudes sum up to 255
 * at most, or a couple, any two. Then 32768 makes the lower sum positive, and with P = a sum of both,
 *
 *     high  += P >> 16    is b's sum, with 32 bits;
 *     total += P          is a's + 65536 * b's modulo 2^32: total - 65536 * high is a's.
 *
 * So nothing is masked or split until the end. The 32768s of all quads and couples and the bias are in what
 * total and high start from.
 */
#ifndef EDGEKIT_PACKED_TILE_H
#define EDGEKIT_PACKED_TILE_H

#include <stdint.h>

/* Four pixels. stream to stream_end: the filters, see ek_packed_conv_2d. words: for each element of the
 * window the words of both pairs. output: of pixel 0, channel 0; those of the others lie offset[0..2]
 * bytes further. */
typedef struct ek_tile {
    const uint32_t *stream;
    const uint32_t *stream_end;
    const int32_t *words;
    int8_t *output;
    uint32_t offset[3];
} ek_tile;

typedef void (*ek_tile_function)(const ek_tile *tile);

/* Where drop is 0 for all filters, and for any drop: see ek_kernels_packed.h. A pair is only the first two
 * of the pixels; the words are those of four. */
void ek_packed_tile(const ek_tile *tile);
void ek_packed_pair(const ek_tile *tile);
void ek_packed_tile_signed(const ek_tile *tile);
void ek_packed_pair_signed(const ek_tile *tile);

#if !defined(__thumb__) || defined(__thumb2__) /* else it is in tile.S */
#include "tile_c.h"
#endif

#endif /* EDGEKIT_PACKED_TILE_H */
