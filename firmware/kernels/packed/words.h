/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels as words of two, for the multiplications of tile.h. */
#ifndef EDGEKIT_PACKED_WORDS_H
#define EDGEKIT_PACKED_WORDS_H

#include <stdint.h>

/*
 * For each i < count the two words pixels[0][i] + 65536 * pixels[1][i] and pixels[2][i] + 65536 *
 * pixels[3][i]. Returns where the next words go. count is at least 1.
 */
int32_t *ek_packed_words(const int8_t *const pixels[4], int32_t *words, uint32_t count);

#if !defined(__thumb__) || defined(__thumb2__) /* else it is in words.S */
int32_t *ek_packed_words(const int8_t *const pixels[4], int32_t *words, uint32_t count) {
    const int8_t *const p0 = pixels[0];
    const int8_t *const p1 = pixels[1];
    const int8_t *const p2 = pixels[2];
    const int8_t *const p3 = pixels[3];
    EK_NO_UNROLL
    for (uint32_t i = 0; i < count; i++) {
        *words++ = p0[i] + p1[i] * 65536;
        *words++ = p2[i] + p3[i] * 65536;
    }
    return words;
}
#endif

#endif /* EDGEKIT_PACKED_WORDS_H */
