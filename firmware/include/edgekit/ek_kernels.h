/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The int8 operators of the ahead-of-time engine, one row at a time. A kernel computes one row of its
 * operator's output from the rows of the input that it needs; which rows lie where is the plan's business
 * (ek_plan.h). So any operator can run whole, or in step with its neighbours while only a few rows of each
 * tensor exist.
 *
 * The portable kernels in firmware/kernels/ define the results: they equal TensorFlow Lite Micro's
 * reference kernels on every byte. Kernels for one instruction set, in folders of their own, have other
 * parameters and the same results.
 *
 * What holds for all of them
 *   Rows         A tensor of H x W x C (N = 1) has H rows of W * C bytes: element (x, c) of a row lies at
 *                x * C + c. A tensor of other rank has as many rows as the product of all axes but the
 *                last, which are its elements.
 *   Values       int8, real = scale * (q - zero_point). Zero points and clamps are in -128..127.
 *   Memory       The caller owns it. The portable kernels need no alignment of activations; constants are
 *                aligned to their type. Nothing is allocated; a call takes at most 512 bytes of stack on
 *                a 32-bit core.
 *   Overlap      The output row overlaps no input row that it is computed from, nor the scratch bytes.
 *   Parameters   Never NULL, never changed, and not checked: the generator made them consistent. Every
 *                dimension is at least 1, every tensor smaller than 2^31 bytes. They and all that they
 *                point to are EK_FLASH (ek_flash.h); rows, output and scratch are RAM.
 *   Arithmetic   int32 that wraps around modulo 2^32, as two's complement machines do; no floats, no
 *                64-bit division.
 *
 * Requantization, written Q(a, multiplier, shift) below, is a * multiplier / 2^31 * 2^shift, rounded
 * twice: kernels/requantize.h has the definition. multiplier is in 0..2^31-1, shift in -31..30; a
 * positive shift is to the left.
 */
#ifndef EDGEKIT_EK_KERNELS_H
#define EDGEKIT_EK_KERNELS_H

#include <stdint.h>

#include "edgekit/ek_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these structs, of their meaning and of the layout of the weights. */
#define EK_KERNELS_VERSION 3

/*
 * Computes one row of an operator's output.
 *   params   the operator's parameters: the struct that is named with each kernel
 *   rows     [in] pointers to rows of the input. For an operator with a window: one a tap of the window's
 *            height, NULL (or what ek_layer.outside says) where the tap lies above or below the input.
 *            For one with two inputs: the row of each.
 *   output   [out] the row
 *   scratch  as many bytes as the plan set aside for the operator, aligned to 16; undefined before and
 *            after. Not to be used where it set aside none.
 */
typedef void (*ek_kernel)(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                          void *scratch);

/* A window that slides along a row: output column x sees the input columns
 * x * stride - pad_left + i * dilation for i in 0..width-1. Columns outside the input take no part. */
typedef struct ek_window {
    uint16_t height; /* taps above each other: as many rows are given */
    uint16_t width;  /* taps beside each other */
    uint16_t stride;
    uint16_t dilation; /* 1: neighbouring columns */
    uint16_t pad_left; /* columns of the first window that lie left of the input */
} ek_window;

/* Columns and channels of a row. */
typedef struct ek_row_shape {
    uint16_t width;
    uint16_t channels;
} ek_row_shape;

/*
 * From the int32 sum of output channel o to its int8 value:
 *
 *     q = Q(sum + bias[o], multiplier[k], shift[k]) + zero_point, clamped to activation_min..activation_max
 *
 * with k = o where the weights are quantized per channel, and k = 0 where they are not.
 */
typedef struct ek_output_stage {
    const EK_FLASH int32_t *bias;       /* one an output channel, at the scale input_scale * weight_scale */
    const EK_FLASH int32_t *multiplier; /* one an output channel, or one in all */
    const EK_FLASH int8_t *shift;       /* as many as multipliers */
    uint8_t per_channel;                /* 1: a multiplier and shift an output channel; 0: one for all */
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_output_stage;

typedef struct ek_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* its channels are the number of filters */
    ek_window window;
    int8_t input_zero_point;
    const EK_FLASH int8_t *weights; /* OHWI: [output.channels][window.height][window.width][input.channels] */
    ek_output_stage stage;
} ek_conv_2d;

/* CONV_2D (params: ek_conv_2d): the sum over the window and the input channels of
 * (input - input_zero_point) * weight. Rows that are NULL take no part. */
void ek_conv_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_depthwise_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* output.channels = input.channels * depth_multiplier */
    ek_window window;
    uint16_t depth_multiplier; /* output channel c * depth_multiplier + m reads input channel c */
    int8_t input_zero_point;
    const EK_FLASH int8_t *weights; /* HWO: [window.height][window.width][output.channels] */
    ek_output_stage stage;
} ek_depthwise_conv_2d;

/* DEPTHWISE_CONV_2D (params: ek_depthwise_conv_2d): the sum over the window of
 * (input - input_zero_point) * weight, each output channel from one input channel. Rows that are NULL take
 * no part. */
void ek_depthwise_conv_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                             void *scratch);

typedef struct ek_fully_connected {
    uint32_t input_depth;  /* elements of the input row */
    uint32_t output_depth; /* elements of the output row */
    int8_t input_zero_point;
    int8_t weights_zero_point;      /* 0 for every model that today's converters write */
    const EK_FLASH int8_t *weights; /* OI: [output_depth][input_depth] */
    ek_output_stage stage;
} ek_fully_connected;

/* FULLY_CONNECTED (params: ek_fully_connected): the sum over input_depth of
 * (input - input_zero_point) * (weight - weights_zero_point). */
void ek_fully_connected_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch);

/* One operand of ADD: its value at the common scale is Q((q - zero_point) * 2^left_shift, multiplier, shift).
 */
typedef struct ek_add_operand {
    int32_t multiplier;
    int8_t shift;
    int8_t zero_point;
} ek_add_operand;

typedef struct ek_add {
    uint32_t size; /* elements of each row */
    ek_add_operand operands[2];
    int32_t output_multiplier;
    int8_t output_shift;
    int8_t output_zero_point;
    int8_t activation_min;
    int8_t activation_max;
    uint8_t left_shift; /* bits of headroom that the common scale adds: 20 in TensorFlow Lite */
} ek_add;

/* ADD by one multiplication an operand, for kernels of single instruction sets:
 * (a * multipliers[0] + b * multipliers[1] + offset) >> shift, clamped, is the right byte for all 65,536
 * pairs of bytes, which the generator tried. The sum itself fits int32; its parts may wrap around. */
typedef struct ek_linear_add {
    uint32_t size;          /* elements of each row */
    int32_t multipliers[2]; /* one an operand */
    int32_t offset;
    uint8_t shift; /* 1..24 */
    int8_t activation_min;
    int8_t activation_max;
} ek_linear_add;

/* ADD (params: ek_add; rows[0] and rows[1]: a row of each operand, which may be the same), element by
 * element: q = Q(a + b, output_multiplier, output_shift) + output_zero_point, clamped, where a and b are the
 * operands at the common scale. */
void ek_add_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* Input and output of a pooling have the same channels, scale and zero point. Every window meets the input.
 */
typedef struct ek_pool_2d {
    ek_row_shape input;
    ek_row_shape output;
    ek_window window; /* dilation is 1 */
    int8_t activation_min;
    int8_t activation_max;
} ek_pool_2d;

/* AVERAGE_POOL_2D (params: ek_pool_2d): the mean of the elements of the window that lie inside the input,
 * rounded to nearest, ties away from zero, clamped. */
void ek_average_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch);

/* MAX_POOL_2D (params: ek_pool_2d): the maximum of those elements, clamped. */
void ek_max_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_mean {
    ek_row_shape input;
    uint16_t height;    /* rows of the input */
    int32_t multiplier; /* input_scale / output_scale / (height * input.width) */
    int8_t shift;
    int8_t input_zero_point;
    int8_t output_zero_point;
} ek_mean;

/* MEAN over H and W of each channel (params: ek_mean; rows: all of them): q = Q(sum of
 * (input - input_zero_point), multiplier, shift) + output_zero_point, clamped to -128..127. The output has
 * input.channels bytes. */
void ek_mean_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_accumulate {
    ek_row_shape input;
} ek_accumulate;

/*
 * The first half of a mean over an image (params: ek_accumulate; rows[0]: the next row of the image,
 * rows[1]: the sums of the rows before, NULL for the first). The output is input.channels int32, aligned to 4
 * like rows[1]: the sums of each channel so far.
 */
void ek_accumulate_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_average_of_sums {
    uint16_t channels;
    int32_t count; /* elements that each sum is of */
    int8_t activation_min;
    int8_t activation_max;
} ek_average_of_sums;

/* The second half of AVERAGE_POOL_2D over an image (params: ek_average_of_sums; rows[0]: the sums). */
void ek_average_of_sums_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch);

typedef struct ek_mean_of_sums {
    uint16_t channels;
    int32_t offset; /* -input_zero_point * elements that each sum is of */
    int32_t multiplier;
    int8_t shift;
    int8_t output_zero_point;
} ek_mean_of_sums;

/* The second half of MEAN (params: ek_mean_of_sums; rows[0]: the sums). */
void ek_mean_of_sums_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                        void *scratch);

typedef struct ek_pad {
    ek_row_shape input;
    uint16_t columns_before; /* columns that are added to the left and right of the input's */
    uint16_t columns_after;
    uint16_t channels_before; /* channels that are added in front of and behind those of each column */
    uint16_t channels_after;
    int8_t value; /* what all of them are filled with */
} ek_pad;

/* PAD (params: ek_pad; rows[0]: a row of the input, NULL for a row that is padding as a whole). */
void ek_pad_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_softmax {
    uint32_t depth; /* elements of the row */
    int32_t multiplier;
    uint8_t left_shift;
    int16_t diff_min; /* -255..0 are the differences that exist; smaller values exclude none */
} ek_softmax;

/* SOFTMAX over a row (params: ek_softmax), in fixed point. For each element, d = q - (maximum of the row);
 * where d < diff_min its probability is 0, else it is exp(x) / (sum of exp over the row), where
 * x = Q(d, multiplier, left_shift) is read as Q5.26. The output has scale 1/256 and zero point -128. */
void ek_softmax_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_softmax_of_two {
    const EK_FLASH int8_t *lower; /* the output of the smaller element, by the distance of the two */
    uint16_t distances;           /* entries of that; of more the output is -128 */
} ek_softmax_of_two;

/* The same over two elements (params: ek_softmax_of_two), where the generator found that the output of the
 * greater one is minus that of the smaller, and 127 for -128. */
void ek_softmax_of_two_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                          void *scratch);

typedef struct ek_softmax_table {
    uint32_t depth;                       /* elements of the row, at most 65535 */
    const EK_FLASH int32_t *exponentials; /* exp(x) in Q0.31 for d = 0, -1, -2, …: they never rise */
    uint16_t differences;                 /* entries of that, at least 1; those beyond add nothing */
} ek_softmax_table;

/* The same with a table of exponentials (params: ek_softmax_table). */
void ek_softmax_table_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                         void *scratch);

#define EK_SOFTMAX_OF_MANY_SCRATCH_BYTES 768

/* The same for many elements (params: ek_softmax_table). Scratch: EK_SOFTMAX_OF_MANY_SCRATCH_BYTES. */
void ek_softmax_of_many_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_H */
