/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for the DSP instructions of Armv7E-M and Armv8-M (Cortex-M4, M7, M33): two products of 16 bits an
 * instruction. Results, rows, memory and overlap are as ek_kernels.h says; only the parameters differ, which
 * the generator lays out. Rows above and below the input are filled with its zero point. Activations need no
 * alignment; no byte outside the rows is read.
 *
 * The input's zero point is part of the biases. A sum becomes an output in one of two ways:
 *
 *   by one factor   clamp((sum * multiplier + addend * unit) >> 34, -128, 127), where the generator found
 *                   constants with which that is Q(sum) + zero_point, clamped, for every sum that can occur
 *   exactly         clamp((y + (y >> 31) + rounding) >> right, -128, 127), where y is the rounding doubling
 *                   high multiply of sum and multiplier, and rounding a half and the output's zero point,
 *                   both shifted to the left by `right`: the definition of Q for negative shifts
 */
#ifndef EDGEKIT_EK_KERNELS_DSP_H
#define EDGEKIT_EK_KERNELS_DSP_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_dsp_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* at least two channels */
    ek_window window;    /* dilation 1 */
    uint16_t tiles[2];   /* that a row consists of: of three pixels, and then of two or a single one */
    uint8_t entries[2]; /* how they go through the quads: 0 if there is one, else 1 + (quads - 2) modulo 8, or
                           modulo 4 in tiles of two */
    uint16_t row_quads; /* fours of elements in a row of the window */
    uint16_t quads;   /* in all: row_quads * window.height, and the rests of the rows in fours, rounded up */
    uint8_t row_rest; /* elements of a row of the window that are left: 0 to 3 */
    int8_t input_zero_point;
    int8_t activation_min;
    int8_t activation_max;
    /*
     * Two output channels B and A after each other, words of 32 bits; of an odd number of channels, the last
     * two come twice in part: the one before the last, again, with the last.
     *   quads        two words for four elements of the window, halfwords of 256 * A + B: (first, third) and
     *                (second, fourth); of the rests of the rows, after each other and filled up with weights
     *                of zero, (first, second) and (third, fourth)
     *   two words    behind the first quad, 256 * a + b and b: the biases, zero point of the input and
     *                rounding constants included
     *   constants    by one factor: multiplier and addend of B (unit 2^32), those of A (unit 2^24);
     *                exactly: multiplier, rounding and right of B, then those of A
     */
    const uint32_t *stream;
} ek_dsp_conv_2d;

/* CONV_2D (params: ek_dsp_conv_2d) by one factor. Scratch: 24 bytes a quad; where a window hangs over the
 * left or the right edge, the bytes of a row that three windows reach over besides, rounded up to fours. */
void ek_dsp_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The same, exactly. */
void ek_dsp_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The same two where tiles[1] is 0. */
void ek_dsp_conv_2d_of_threes_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);
void ek_dsp_conv_2d_of_threes_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch);

typedef struct ek_dsp_shallow_conv_2d {
    uint32_t width;    /* pixels */
    uint32_t channels; /* of the output */
    int8_t activation_min;
    int8_t activation_max;
    /*
     * Output channel after output channel, words of 32 bits:
     *   three words  multiplier, addend (unit 2^32) and bias, the zero point of the input and the rounding
     *                constant included
     *   four words   weights of the input channels (0, 2), (1, 3), (4, 6), (5, 7): two int16 each, the
     *                first in the lower half
     */
    const uint32_t *stream;
} ek_dsp_shallow_conv_2d;

/* CONV_2D (params: ek_dsp_shallow_conv_2d) of eight input channels, with a window of one pixel and stride 1,
 * by one factor. Scratch: 16 bytes a pixel, of at most 12 pixels. */
void ek_dsp_shallow_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_dsp_depthwise_conv_2d {
    ek_row_shape input;  /* at least four channels */
    ek_row_shape output; /* as many */
    uint16_t inner;  /* pixels before the one, if any, whose last column lies right of the input: all, or all
                        but the last */
    uint8_t outside; /* 1: the first column of the first pixel lies left of the input */
    int8_t input_zero_point;
    int8_t activation_min;
    int8_t activation_max;
    /*
     * Four output channels a, b, c, d after each other; the last four, where they are no multiple of four,
     * overlap those before. Words of 32 bits:
     *   four words   biases, zero point of the input and rounding constants included
     *   18 words     weights, column by column, the first, third and second one, or with the stride 2 in
     *                their order: two int16 each, the first in the lower half; with 0, 1, 2 the rows:
     *                (a0, a1), (b0, b1), (c0, c1), (d0, d1), (a2, c2), (b2, d2)
     *   constants    of each: multiplier and addend (unit 2^32), or multiplier, rounding and right
     */
    const uint32_t *stream;
} ek_dsp_depthwise_conv_2d;

/* DEPTHWISE_CONV_2D (params: ek_dsp_depthwise_conv_2d) with a depth multiplier of 1 and a window of 3 x 3
 * that moves by a column, by one factor. Scratch: 88 bytes. */
void ek_dsp_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);

/* The same, exactly. */
void ek_dsp_depthwise_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch);

/* The same where the window moves by two columns. */
void ek_dsp_strided_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                         void *scratch);

/* The same, exactly. */
void ek_dsp_strided_depthwise_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                               void *scratch);

typedef struct ek_dsp_depthwise_windows {
    ek_row_shape input;        /* at least four channels */
    ek_row_shape output;       /* depth_multiplier times as many */
    ek_window window;          /* stride or dilation is 1 */
    uint16_t depth_multiplier; /* output channel c * depth_multiplier + m reads input channel c */
    uint16_t strip;            /* pixels whose columns are expanded at a time */
    uint8_t entry;             /* 1 + (steps - 1) modulo 16: a step is a pair of rows in a column */
    int8_t input_zero_point;
    int8_t activation_min;
    int8_t activation_max;
    /*
     * Four input channels after each other; the last four, where they are no multiple of four, overlap those
     * before. Of each m after the other, with a, b, c, d their output channels, words of 32 bits:
     *   four words   biases, zero point of the input and rounding constants included
     *   weights      column by column, pair of rows by pair of rows, four words: of a, b, c, d two int16
     *                each, that of the upper row in the lower half; of an odd last row those of a and b in
     *                the lower halves and those of c and d in the upper ones, with 0 in the others
     *   constants    of each: multiplier and addend (unit 2^32), or multiplier, rounding and right
     */
    const uint32_t *stream;
} ek_dsp_depthwise_windows;

/* DEPTHWISE_CONV_2D (params: ek_dsp_depthwise_windows) by one factor. Scratch: 16 bytes for every pair of
 * rows in every column that the windows of a strip reach over. */
void ek_dsp_depthwise_windows_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);

/* The same, exactly. */
void ek_dsp_depthwise_windows_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch);

typedef struct ek_dsp_fully_connected {
    uint32_t input_depth;  /* elements of the input row */
    uint32_t output_depth; /* elements of the output row: at least two */
    int8_t activation_min;
    int8_t activation_max;
    /* As that of ek_dsp_conv_2d, with the two words of biases first; the input is filled up to a multiple of
     * eight. */
    const uint32_t *stream;
} ek_dsp_fully_connected;

/* FULLY_CONNECTED (params: ek_dsp_fully_connected) by one factor. Scratch: 2 bytes an element of the input,
 * rounded up to eight. */
void ek_dsp_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The same, exactly. */
void ek_dsp_fully_connected_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                     void *scratch);

/* ADD (params: ek_linear_add; rows[0] and rows[1]: a row of each operand). No scratch. */
void ek_dsp_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* MAX_POOL_2D and AVERAGE_POOL_2D (params: ek_pool_2d) of channels that come in fours; averages are of at
 * most 255 elements. Rows that are NULL take no part. No scratch. */
void ek_dsp_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);
void ek_dsp_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* As ek_accumulate_s8 (params: ek_accumulate), for four channels and more, of rows of 256 pixels at most. */
void ek_dsp_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_DSP_H */
