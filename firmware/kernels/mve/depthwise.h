/* SPDX-License-Identifier: Apache-2.0 */
/* What the 3 x 3 depthwise convolution hands to its assembly: a tile of up to twelve pixels, all channels. */
#ifndef EDGEKIT_MVE_DEPTHWISE_H
#define EDGEKIT_MVE_DEPTHWISE_H

#include <stdint.h>

#include "tile.h"

#define EK_MVE_TAPS         3
#define EK_MVE_WORD         4  /* channels that go together, a word of each column */
#define EK_MVE_PIECE        4  /* columns that are fetched at once */
#define EK_MVE_PIECES       4  /* that a tile has at most */
#define EK_MVE_VECTORS      3  /* of four pixels */
#define EK_MVE_COLUMN_BYTES 12 /* a word of each row */

/* Of the scratch memory. */
#define EK_MVE_SUMS_BYTES    192
#define EK_MVE_COLUMNS_BYTES 192

/* depthwise_tile.S depends on this layout. */
typedef struct ek_mve_depthwise_tile {
    uint32_t slots[EK_MVE_PIECES];                   /* addresses in `columns` where pieces go */
    uint32_t offsets[EK_MVE_PIECES][EK_MVE_PIECE];   /* where they come from, bytes from `rows` */
    uint32_t outputs[EK_MVE_VECTORS][EK_MVE_PIXELS]; /* addresses, less 4; aligned to 4 */
    const int8_t *rows[EK_MVE_TAPS];                 /* aligned to 4 */
    const uint32_t *stream;                          /* as in ek_mve_depthwise_conv_2d */
    const uint32_t *stream_end;
    int8_t
        *columns; /* words [columns][rows], 16 columns at most; those outside the input hold its zero point */
    int32_t *sums;        /* [4][12]; with `columns` before, a few of them may be read as such */
    uint32_t inside;      /* columns inside the input, if fewer than a piece */
    uint32_t last;        /* pixels of the last vector */
    uint32_t copy;        /* 0: fewer columns than a piece, 1: two pieces, 2: four */
    uint32_t dot;         /* 0: up to 6 pixels, 1: up to 12; 2: up to 6 at stride 2 */
    uint32_t finish_kind; /* 0..2: one to three vectors; 3: any number, in two roundings */
    uint32_t last_sums;   /* bytes from the sums of the first vector to those of the last */
    ek_mve_finish finish;
    uint32_t room[3]; /* for the assembly */
} ek_mve_depthwise_tile;

void ek_mve_depthwise(ek_mve_depthwise_tile *tile);

#endif /* EDGEKIT_MVE_DEPTHWISE_H */
