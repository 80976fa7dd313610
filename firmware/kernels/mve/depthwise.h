/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two steps of a 3 x 3 depthwise convolution of up to 16 channels: eight columns of three rows are
 * interleaved to quads, words of four neighbouring columns of one channel, and these are multiplied.
 */
#ifndef EDGEKIT_MVE_DEPTHWISE_H
#define EDGEKIT_MVE_DEPTHWISE_H

#include <stdint.h>

#define EK_MVE_TAPS     3
#define EK_MVE_LANES    16
#define EK_MVE_QUADS    3
#define EK_MVE_COLUMNS  8
#define EK_MVE_QUAD_SET (EK_MVE_QUADS * EK_MVE_LANES * 4) /* bytes of the quads of a row */

/* interleave.S depends on this layout. */
typedef struct ek_mve_columns {
    const int8_t *rows[EK_MVE_TAPS]; /* where the last of the columns inside lies in each row */
    int8_t *quads;        /* [out] [rows][quads][16 lanes][4 columns]; quad i starts at column 2 * i */
    uint32_t step;        /* bytes from a column to the next */
    uint32_t lanes;       /* channels, 1..16 */
    uint32_t end;         /* 1..8: columns end..7 lie outside */
    uint32_t skips_first; /* 1: column 0 lies outside, too */
    int32_t zero_point;   /* what lies outside */
} ek_mve_columns;

void ek_mve_interleave(const ek_mve_columns *columns);

/* dot_taps.S depends on this layout. */
typedef struct ek_mve_taps {
    const int8_t *quads;
    const int8_t *weights; /* [lanes][3][3] */
    int32_t *sums;         /* [out] [2][16][4]: four pixels of each channel, then the rest of the pixels */
    uint32_t lanes;
    uint32_t stride; /* 1: six pixels, two a quad; 2: three, one a quad */
} ek_mve_taps;

void ek_mve_dot_taps(const ek_mve_taps *taps);

#endif /* EDGEKIT_MVE_DEPTHWISE_H */
