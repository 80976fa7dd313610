/* SPDX-License-Identifier: Apache-2.0 */
/* What a depthwise convolution of any window hands to its assembly: a tile of up to eight pixels, all
 * channels. */
#ifndef EDGEKIT_MVE_DEPTHWISE_WINDOWS_H
#define EDGEKIT_MVE_DEPTHWISE_WINDOWS_H

#include <stdint.h>

#include "tile.h"

#define EK_MVE_WINDOW_SUMS_BYTES 128 /* int32 [4][8] */

#define EK_MVE_FEW_ROWS 8

/* depthwise_windows.S depends on this layout. Columns are those that windows meet, one word a row of each. */
typedef struct ek_mve_window_tile {
    const int8_t *few_rows[EK_MVE_FEW_ROWS]; /* where a window has no more */
    const int8_t *const *rows;
    uint32_t height;       /* of a window */
    uint32_t from;         /* byte of each row where the first column inside the input begins */
    int8_t *slot;          /* where in `columns` that one goes */
    uint32_t inside;       /* columns inside the input */
    uint32_t column_step;  /* bytes of a row from a column to the next */
    uint32_t column_bytes; /* in `columns` */
    uint32_t column_hop;   /* from a column to the fourth behind it: 4 * column_step */
    uint32_t slot_hop;     /* 4 * column_bytes */
    int8_t *columns;       /* words [columns][rows], those outside the input hold its zero point */
    uint32_t pixel_bytes;  /* in `columns`, from a window to the next */
    uint32_t steps;        /* sixteens of taps that a window has */
    int32_t *sums;
    const uint32_t *stream; /* as in ek_mve_depthwise_windows */
    const uint32_t *stream_end;
    int8_t *output;      /* of the first pixel */
    uint32_t pixels;     /* 1..8 */
    uint32_t output_hop; /* bytes from an output to that of the fourth pixel behind it */
    uint32_t channels;   /* those left, or 0 where they are aligned words */
    uint32_t repeats;    /* output channels that the next input channel still has, of... */
    uint32_t multiplier; /* 0 where channels go by fours, the last four in the end */
    ek_mve_finish finish;
    uint32_t column_offsets[EK_MVE_PIXELS]; /* of four columns: 0, column_step, ... */
    uint32_t slots[EK_MVE_PIXELS];          /* addresses where the first four go */
    uint32_t output_offsets[EK_MVE_PIXELS]; /* bytes from an output to those of the next pixels */
} ek_mve_window_tile;

void ek_mve_depthwise_window_tile(ek_mve_window_tile *tile);

#endif /* EDGEKIT_MVE_DEPTHWISE_WINDOWS_H */
