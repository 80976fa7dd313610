/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot products of one row of inputs with four rows of weights.
 *
 * The idea: one multiplication of 32 bits for two products of the same sum. Times each other, the words
 *
 *     (w0 + 65536 * w2) * (x2 + 65536 * x0) = w0 * x2 + 65536 * (w0 * x0 + w2 * x2)    modulo 2^32
 *
 * have the sum that is wanted in the upper half, and what nobody wants in the lower. A second such product
 * completes a quad, four weights whose magnitudes sum up to 255 at most, so both halves fit 16 bits with
 * their signs. 32768 makes the lower half positive; then the sum is the word >> 16.
 *
 * A word of weights has each as a byte, 128 greater than it is: v = even + 256 * odd, where even and odd are
 * words like those above. v >> 8 and a mask give odd; even needs none, as
 *
 *     even * x_even + odd * x_odd = v * x_even + odd * (x_odd - 256 * x_even).
 *
 * What 32768 and those 128s add is the same for all filters, and a word of the input.
 */
#ifndef EDGEKIT_PACKED_DOTS_H
#define EDGEKIT_PACKED_DOTS_H

#include <stdint.h>

/* Four inputs, as words; the names are of the formulas above. */
typedef struct ek_input_quad {
    uint32_t start;  /* 32768 - 0x00800080 * (x_even + x_odd) */
    uint32_t x_even; /* x2 + 65536 * x0 */
    uint32_t x_rest; /* x_odd - 256 * x_even, where x_odd is x3 + 65536 * x1 */
} ek_input_quad;

/* stream: [in] four filters, see ek_packed_fully_connected, [out] what follows their runs. */
typedef struct ek_dots {
    const uint32_t *stream;
    const ek_input_quad *inputs;
    uint32_t sums[4];
} ek_dots;

void ek_packed_dots(ek_dots *dots);

#if !defined(__thumb__) || defined(__thumb2__) /* else it is in dots.S */
#include "dots_c.h"
#endif

#endif /* EDGEKIT_PACKED_DOTS_H */
