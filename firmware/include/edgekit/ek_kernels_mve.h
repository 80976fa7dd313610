/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for Helium, the vectors of Armv8.1-M (Cortex-M55 and M85). What ek_kernels.h says of all kernels
 * holds here too, and the results are those of its operators; only parameters differ. Every
 * multiply-accumulate runs as VMLADAV, sixteen products of int8 an instruction, with its sum in a core
 * register.
 *
 * The zero point of an input is part of the biases: bias[o] - zero_point * (sum of the weights of o), modulo
 * 2^32. So rows and columns outside an input must hold its zero point; the plan supplies such rows.
 */
#ifndef EDGEKIT_EK_KERNELS_MVE_H
#define EDGEKIT_EK_KERNELS_MVE_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From sums to int8, as ek_output_stage has it, for output channels in fours, whose shifts are to the right.
 * The constants of four channels are words of a kernel's stream.
 *
 * sum_bits other than 0: four offsets and four multipliers, with which the byte of each sum is
 * ((sum * 2^sum_bits + offset) * multiplier >> 31) + 2^11 >> 12, cut off at -128 and 127: the other fields
 * are not read. 0: four biases and four multipliers, and a word of the four shifts as bytes, the first
 * channel's lowest.
 */
typedef struct ek_mve_stage {
    uint8_t sum_bits;
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_mve_stage;

/*
 * Each output is a dot product of `depth` elements. The stream has, filter after filter in fours: the weights
 * of the first two, 16 bytes of each in turn, with zeros at the end where the depth is no multiple of 16;
 * those of the other two; the constants of the four.
 */
typedef struct ek_mve_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* channels in fours; rows aligned to 4 */
    ek_window window;    /* dilation is 1 */
    int8_t input_zero_point;
    ek_mve_stage stage;
    uint32_t stream_words;
    const uint32_t *stream;
} ek_mve_conv_2d;

/* CONV_2D whose window is a single pixel without padding (params: ek_mve_conv_2d). No scratch. */
void ek_mve_conv_2d_1x1_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/*
 * Windows of several pixels are copied one behind the other, sixteen bytes at once: a part of a row, or a row
 * of `together` neighbouring windows. The offsets of these bytes say where they come from, from the first of
 * the row, and sixteen others where they go.
 */
typedef struct ek_mve_windows {
    ek_mve_conv_2d conv;
    uint8_t patches;  /* windows to copy before they are multiplied, at most */
    uint8_t together; /* 1..4 */
    const uint8_t *offsets;
} ek_mve_windows;

/* CONV_2D (params: ek_mve_windows). Scratch: the bytes of `patches` windows. */
void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/*
 * CONV_2D, 3 x 3 at stride 1 or 2, of input channels in sixteens, for rows of at least four pixels (params:
 * ek_mve_conv_2d). Of two filters, the stream has row by row of the window, and sixteen by sixteen channels,
 * the weights of each column: of 0, 1 and 2, or at stride 2 of 0, 2 and 1. Scratch: 18 bytes an input
 * channel, at stride 2 27.
 */
void ek_mve_conv_2d_3x3_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/*
 * A depthwise convolution, 3 x 3, each output channel from the input channel of its number. The stream has of
 * every four channels: for each of them 6 bytes of 0, its nine weights column by column, and a 0; 8 bytes of
 * 0; the constants of the four.
 */
typedef struct ek_mve_depthwise_conv_2d {
    ek_row_shape input;  /* rows aligned to 4 */
    ek_row_shape output; /* as many channels, in fours; rows aligned to 4 */
    ek_window window;    /* 3 x 3, stride 1 or 2, dilation 1, pad_left 0 or 1 */
    int8_t input_zero_point;
    uint8_t tile_pixels; /* to compute at a time at most: up to 12 at stride 1, 6 at stride 2 */
    ek_mve_stage stage;
    uint32_t stream_words;
    const uint32_t *stream;
} ek_mve_depthwise_conv_2d;

/* DEPTHWISE_CONV_2D (params: ek_mve_depthwise_conv_2d). Scratch: 384 bytes. */
void ek_mve_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);

/*
 * A depthwise convolution of any window. The stream has of every four output channels: for each of them its
 * weights column by column, with zeros at the end up to 16 bytes `steps`; the constants of the four. Where
 * `multiplier` is 0, the last four are the last four channels; else weights behind the last channel's are 0.
 *
 * Dilation D and stride S come down to windows without dilation, of every Dth column and every Pth pixel,
 * where P = D / gcd(D, S); from one such pixel to the next it is S / gcd(D, S) of these columns.
 */
typedef struct ek_mve_depthwise_windows {
    ek_row_shape input;
    ek_row_shape output;
    ek_window window;
    int8_t input_zero_point;
    uint8_t tile_pixels; /* to compute at a time at most: 1..8 */
    uint16_t phases;     /* P */
    uint16_t pixel_columns;
    uint16_t steps; /* taps of a window / 16, rounded up */
    /* Output channels of each input channel. 0: one, and there are at least four, of at most eight rows where
     * they come in no fours. Where they do, rows are aligned to 4; else they may lie anywhere. */
    uint16_t multiplier;
    ek_mve_stage stage;
    uint32_t stream_words;
    const uint32_t *stream;
} ek_mve_depthwise_windows;

/*
 * DEPTHWISE_CONV_2D (params: ek_mve_depthwise_windows). A tile has more than three pixels only where
 * 4 * window.height * pixel_columns is at most 64. Scratch: 128 bytes, and the columns that the pixels of a
 * tile meet, 4 * window.height bytes each; gathers read 64 bytes a step of the last pixel, and 256 from the
 * last step of the first pixel on where there are fewer than four.
 */
void ek_mve_depthwise_windows_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch);

typedef struct ek_mve_fully_connected {
    uint32_t input_depth;
    uint32_t output_depth;
    const int8_t *weights;     /* OI: [output_depth][input_depth] */
    const int32_t *bias;       /* one an output */
    const int32_t *multiplier; /* one an output, or one in all */
    const int8_t *shift;       /* as many as multipliers, none positive */
    uint8_t per_channel;       /* 1: a multiplier and shift an output */
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_mve_fully_connected;

/* FULLY_CONNECTED (params: ek_mve_fully_connected). No scratch. */
void ek_mve_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* ADD (params: ek_linear_add; rows[0] and rows[1]: a row of each operand). No scratch. */
void ek_mve_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* AVERAGE_POOL_2D (params: ek_pool_2d) over windows of at most 256 elements. No scratch. */
void ek_mve_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* MAX_POOL_2D (params: ek_pool_2d). No scratch. */
void ek_mve_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* ek_accumulate_s8, with the same parameters and rows. No scratch. */
void ek_mve_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_MVE_H */
