/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for little-endian cores that multiply 32 bits and have no vectors: Armv6-M (Cortex-M0, M0+, M1),
 * where their inner loops are assembly, Armv7-M, RV32IMC, Armv6 and Xtensa. Two pixels, or two weights, are
 * packed into each word. Results, rows, memory and overlap are as ek_kernels.h says; only the parameters
 * differ, which the generator lays out. Rows above and below the input are filled with its zero point.
 * Activations need no alignment; no byte outside the rows is read.
 *
 * Q(sum) + zero_point, clamped, is computed by two multiplications, with constants of each output channel
 * that the generator proves: x = sum - origin is cut off at 0 and x_max; then
 *
 *     q = (x * whole + (x * fraction >> 13) + offset - (x < zero ? drop : 0)) mod 2^32 >> 24, as int8
 */
#ifndef EDGEKIT_EK_KERNELS_PACKED_H
#define EDGEKIT_EK_KERNELS_PACKED_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_packed_conv_2d {
    ek_row_shape input;
    ek_row_shape output;
    ek_window window;
    uint16_t depth; /* elements of the window: height * width * input.channels */
    int8_t input_zero_point;
    uint8_t hangs_over; /* 1: some window hangs over the left or the right edge of the input */
    /*
     * The filters one after the other, words of 32 bits:
     *   two words         what the sums start from, see kernels/packed/tile.h
     *   runs of quads     a quad holds the weights of four neighbouring elements of the window, 4k..4k+3, the
     *                     first in the lowest byte; quads of zeros are left out. A run is neighbouring
     *                     quads after a word with 32 * (k of the first) in the lower half and 4 * (number of
     *                     quads) in the upper.
     *   8 * couples
     *   couples           of weights that are in no quad, as the products of theirs could leave 16 bits: two
     *                     words, each with 8 * (element of the window) in the lower half and a weight in
     *                     the highest byte.
     *   constants         x_max, whole, fraction, offset; then zero and -drop in the second kernel below.
     */
    const uint32_t *weights;
    uint32_t weights_words;
} ek_packed_conv_2d;

/* CONV_2D (params: ek_packed_conv_2d) where drop is 0 for all channels. Scratch: 8 bytes an element of the
 * window, rounded up to 32; where hangs_over, besides them the columns that four windows see together, that
 * is (3 * stride + (width - 1) * dilation + 1) * input.channels bytes. */
void ek_packed_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The same for any drop. */
void ek_packed_conv_2d_signed_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);

/* Words of a channel in ek_packed_depthwise_conv_2d. */
#define EK_PACKED_CHANNEL_WORDS 14

typedef struct ek_packed_depthwise_conv_2d {
    ek_row_shape input;
    ek_row_shape output;  /* as many channels as the input */
    ek_window window;     /* 3 x 3 */
    uint16_t inner_first; /* the first output column whose window does not hang over, and how many follow */
    uint16_t inner_count; /* each other */
    int8_t input_zero_point;
    /* For each channel: what its sum starts from, nine weights as words of 32 bits, row by row, and x_max,
     * whole, fraction, offset. */
    const uint32_t *weights;
} ek_packed_depthwise_conv_2d;

/* DEPTHWISE_CONV_2D (params: ek_packed_depthwise_conv_2d) with a window of 3 x 3, a depth multiplier of 1 and
 * a drop of 0 for all channels. Scratch: 9 * channels bytes where a window hangs over. */
void ek_packed_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                    void *scratch);

typedef struct ek_packed_fully_connected {
    uint32_t input_depth;
    uint32_t output_depth;
    uint8_t is_signed;       /* 1: some drop is not 0 */
    uint8_t constants_words; /* from the constants of an output to those of the next; 0: all have the same */
    /*
     * Four filters at a time, the last ones filled up with filters of 0; words of 32 bits:
     *   four words        what the sums start from
     *   runs of quads     a quad holds the weights of inputs 4k..4k+3 as bytes, the first in the lowest, each
     *                     128 greater than it is. A run is neighbouring quads, each that of the four filters
     *                     one after the other, after a word with k of the first in the lower half and their
     *                     number in the upper. Where a filter's products could leave 16 bits there are
     *                     several parts, one a run.
     *   0
     */
    const uint32_t *weights;
    const uint32_t *constants; /* x_max, whole, fraction, offset; then, where is_signed, zero and -drop */
} ek_packed_fully_connected;

/* FULLY_CONNECTED (params: ek_packed_fully_connected) with weights whose zero point is 0. Scratch: 12 bytes
 * for every four inputs. */
void ek_packed_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                  void *scratch);

/* ADD (params: ek_linear_add; rows[0] and rows[1]: a row of each operand). No scratch. */
void ek_packed_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The first half of a mean over an image (params: ek_accumulate with channels in fours and at most 257
 * columns; all rows lie at multiples of 4). No scratch. */
void ek_packed_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_PACKED_H */
