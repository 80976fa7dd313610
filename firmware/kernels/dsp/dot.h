/* SPDX-License-Identifier: Apache-2.0 */
/* Dot products of an input row with two rows of weights at a time. */
#ifndef EDGEKIT_DSP_DOT_H
#define EDGEKIT_DSP_DOT_H

#include <stdint.h>

/*
 * All outputs of a fully connected layer.
 *   output      one byte each
 *   last        the last of them: at least two
 *   inputs end  eight inputs take four words of two int16: (0, 2), (1, 3), (4, 6), (5, 7)
 *   entry       number of inputs / 8, modulo 4
 *   stream      ek_dsp_fully_connected.stream
 */
typedef void ek_dsp_run_dots(int8_t *output, const int8_t *last, const uint32_t *inputs, const uint32_t *end,
                             uint32_t entry, const uint32_t *stream);

ek_dsp_run_dots ek_dsp_dots;       /* for ek_dsp_fully_connected_s8 */
ek_dsp_run_dots ek_dsp_dots_exact; /* for ek_dsp_fully_connected_exact_s8 */

#endif /* EDGEKIT_DSP_DOT_H */
