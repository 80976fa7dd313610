/* SPDX-License-Identifier: Apache-2.0 */
/* Four channels of the columns of three rows: what depthwise convolutions with a 3x3 window are made of. */
#ifndef EDGEKIT_DSP_DEPTHWISE_COLUMNS_H
#define EDGEKIT_DSP_DEPTHWISE_COLUMNS_H

#include <stdint.h>

/* Words of a column. With a, b, c, d the channels and 0, 1, 2 the rows, they hold two int16 each, the first
 * in the lower half: (a0, a1), (c0, c1), (a2, c2), (b0, b1), (d0, d1), (b2, d2). */
#define EK_DSP_COLUMN_WORDS 6

/*
 * Appends the columns at the offsets 0, step, 2 * step, ... of three rows, until the offset is `end`, which
 * is none of them but reached. rows     of any alignment; four bytes a column are read columns  [out] aligned
 * to 4 Returns where the next column goes.
 */
uint32_t *ek_dsp_expand_columns(const int8_t *row_0, const int8_t *row_1, const int8_t *row_2,
                                uint32_t *columns, uint32_t end, uint32_t step);

/*
 * Four channels of a row of the output.
 *   columns  those of the first pixel's window, the others behind them
 *   stream   those of ek_dsp_depthwise_conv_2d.stream for the four channels
 *   output   of the first pixel; those of the others lie `step` bytes further each, up to `end`, exclusive
 *   rewind   bytes of columns by which a pixel's window ends behind the next one's start
 */
typedef void ek_dsp_run_pixels(const uint32_t *columns, const uint32_t *stream, int8_t *output, uint32_t step,
                               const int8_t *end, uint32_t rewind);

ek_dsp_run_pixels ek_dsp_depthwise_pixels;       /* for ek_dsp_depthwise_conv_2d_s8 */
ek_dsp_run_pixels ek_dsp_depthwise_pixels_exact; /* for ek_dsp_depthwise_conv_2d_exact_s8 */

#endif /* EDGEKIT_DSP_DEPTHWISE_COLUMNS_H */
