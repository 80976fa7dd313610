/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of three pixels: what the convolutions share. */
#ifndef EDGEKIT_DSP_TILE_H
#define EDGEKIT_DSP_TILE_H

#include <stdint.h>

#define EK_DSP_PIXELS 3

/*
 * Appends `count` elements of three pixels, rounded up to fours, to the elements of a tile. Four elements
 * a, b, c, d take six words of two int16 each: (a, c) of the three pixels, then (b, d) of them.
 *   pixels    any alignment; no byte behind the last of the elements is read
 *   elements  [out] aligned to 4; 24 bytes for each four
 * Returns where the next elements go.
 */
uint32_t *ek_dsp_expand(const int8_t *pixel_0, const int8_t *pixel_1, const int8_t *pixel_2,
                        uint32_t *elements, uint32_t count);

/*
 * All output channels of three pixels, or of two where the third has the place of the second.
 *   output             of pixel 0, one byte a channel
 *   offset_1 offset_2  where pixels 1 and 2 lie behind it
 *   last               output + (channels - 1): at least two channels
 *   elements end       what ek_dsp_expand appended, at least four for each of three pixels
 *   entry              ek_dsp_entry
 *   stream             ek_dsp_conv_2d.stream
 */
typedef void ek_dsp_run_tile(int8_t *output, uint32_t offset_1, uint32_t offset_2, const int8_t *last,
                             const uint32_t *elements, const uint32_t *end, uint32_t entry,
                             const uint32_t *stream);

ek_dsp_run_tile ek_dsp_tile;       /* for ek_dsp_conv_2d_s8 */
ek_dsp_run_tile ek_dsp_tile_exact; /* for ek_dsp_conv_2d_exact_s8 */

/* How a tile of three pixels, or of two, of so many quads of elements is entered. */
static inline uint32_t ek_dsp_entry(uint32_t quads, int has_three) {
    if (quads == 1) {
        return 0;
    }
    return has_three ? 1 + (quads - 2) % 4 : 5 + quads % 2;
}

#endif /* EDGEKIT_DSP_TILE_H */
