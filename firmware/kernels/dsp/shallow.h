/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of eight channels and their products with a filter that stays in registers. */
#ifndef EDGEKIT_DSP_SHALLOW_H
#define EDGEKIT_DSP_SHALLOW_H

#include <stdint.h>

/*
 * All output channels of the pixels of a strip.
 *   input     eight bytes a pixel, of any alignment
 *   elements  room for 16 bytes a pixel, aligned to 4
 *   output    `channels` bytes a pixel
 *   pixels    1 to 12
 *   stream    ek_dsp_shallow_conv_2d.stream
 */
void ek_dsp_shallow_strip(const int8_t *input, uint32_t *elements, int8_t *output, uint32_t pixels,
                          uint32_t channels, const uint32_t *stream);

#endif /* EDGEKIT_DSP_SHALLOW_H */
