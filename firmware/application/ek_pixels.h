/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of any format as RGB or grayscale, for ek_preprocess.c alone. */
#ifndef EDGEKIT_EK_PIXELS_H
#define EDGEKIT_EK_PIXELS_H

#include "edgekit/ek_preprocess.h"

/* One row of a frame: its only plane in the first pointer, or its planes Y, U and V. */
typedef struct ek_source_row {
    const uint8_t *planes[3];
} ek_source_row;

/*
 * Writes pixels `first` to `first + count - 1` of `row`, `channels` bytes each (3: R, G, B; 1: L), to
 * `pixels`, which has room for three bytes each whatever `channels` is.
 * Grayscale is (19595 R + 38470 G + 7471 B + 32768) / 65536, that is ITU-R BT.601 luma, or Y itself.
 */
void ek_pixels_unpack(const ek_frame_format *format, const ek_source_row *row, unsigned first, unsigned count,
                      unsigned channels, uint8_t *pixels);

#endif /* EDGEKIT_EK_PIXELS_H */
