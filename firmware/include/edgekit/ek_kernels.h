/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The int8 operators of the ahead-of-time engine. The generated model.c calls one function an operator,
 * with constant parameters that lie in flash and activations that lie in the arena.
 *
 * The portable kernels in firmware/kernels/ define the results: they equal TensorFlow Lite Micro's
 * reference kernels on every byte. Kernels for one instruction set have the same functions, parameters
 * and results.
 *
 * What holds for all of them
 *   Layout       Activations are NHWC with N = 1: element (y, x, c) of a tensor of height H, width W and
 *                C channels lies at (y * W + x) * C + c.
 *   Values       int8, real = scale * (q - zero_point). Zero points and clamps are in -128..127.
 *   Memory       The caller owns it. Activations need no alignment; constants are aligned to their type.
 *                Nothing is allocated; a call takes at most 512 bytes of stack on a 32-bit core.
 *   Overlap      The output must not overlap an input.
 *   Parameters   Never NULL, never changed, and not checked: the generator made them consistent. Every
 *                dimension is at least 1, every tensor smaller than 2^31 bytes.
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

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these structs, of their meaning and of the layout of the weights. */
#define EK_KERNELS_VERSION 1

/* Height, width and channels of an activation. */
typedef struct ek_shape {
    uint16_t height;
    uint16_t width;
    uint16_t channels;
} ek_shape;

/*
 * A window that slides over H and W. Output (y, x) sees the input rows
 * y * stride_height - pad_top + i * dilation_height for i in 0..height-1, and columns alike. Rows and
 * columns outside the input take no part.
 */
typedef struct ek_window {
    uint16_t height;
    uint16_t width;
    uint16_t stride_height;
    uint16_t stride_width;
    uint16_t dilation_height; /* 1: neighbouring rows */
    uint16_t dilation_width;
    uint16_t pad_top;  /* rows of the first window that lie above the input */
    uint16_t pad_left; /* columns of the first window that lie left of the input */
} ek_window;

/*
 * From the int32 sum of output channel o to its int8 value:
 *
 *     q = Q(sum + bias[o], multiplier[k], shift[k]) + zero_point, clamped to activation_min..activation_max
 *
 * with k = o where the weights are quantized per channel, and k = 0 where they are not.
 */
typedef struct ek_output_stage {
    const int32_t *bias;       /* one an output channel, at the scale input_scale * weight_scale */
    const int32_t *multiplier; /* one an output channel, or one in all */
    const int8_t *shift;       /* as many as multipliers */
    uint8_t per_channel;       /* 1: a multiplier and shift an output channel; 0: one for all */
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_output_stage;

/* Parameters of CONV_2D. */
typedef struct ek_conv_2d {
    ek_shape input;
    ek_shape output; /* its channels are the number of filters */
    ek_window window;
    int8_t input_zero_point;
    const int8_t *weights; /* OHWI: [output.channels][window.height][window.width][input.channels] */
    ek_output_stage stage;
} ek_conv_2d;

/*
 * 2-D convolution: sum over the window and the input channels of (input - input_zero_point) * weight.
 *   input   [in]  input.height * input.width * input.channels bytes
 *   output  [out] output.height * output.width * output.channels bytes
 */
void ek_conv_2d_s8(const ek_conv_2d *params, const int8_t *input, int8_t *output);

/* Parameters of DEPTHWISE_CONV_2D. */
typedef struct ek_depthwise_conv_2d {
    ek_shape input;
    ek_shape output; /* output.channels = input.channels * depth_multiplier */
    ek_window window;
    uint16_t depth_multiplier; /* output channel c * depth_multiplier + m reads input channel c */
    int8_t input_zero_point;
    const int8_t *weights; /* HWO: [window.height][window.width][output.channels] */
    ek_output_stage stage;
} ek_depthwise_conv_2d;

/*
 * Depthwise 2-D convolution: sum over the window of (input - input_zero_point) * weight, each output
 * channel from one input channel.
 *   input   [in]  input.height * input.width * input.channels bytes
 *   output  [out] output.height * output.width * output.channels bytes
 */
void ek_depthwise_conv_2d_s8(const ek_depthwise_conv_2d *params, const int8_t *input, int8_t *output);

/* Parameters of FULLY_CONNECTED. */
typedef struct ek_fully_connected {
    uint32_t batches;      /* rows of the input */
    uint32_t input_depth;  /* elements of a row of the input */
    uint32_t output_depth; /* elements of a row of the output */
    int8_t input_zero_point;
    int8_t weights_zero_point; /* 0 for every model that today's converters write */
    const int8_t *weights;     /* OI: [output_depth][input_depth] */
    ek_output_stage stage;
} ek_fully_connected;

/*
 * Matrix product: sum over input_depth of (input - input_zero_point) * (weight - weights_zero_point).
 *   input   [in]  [batches][input_depth]
 *   output  [out] [batches][output_depth]
 */
void ek_fully_connected_s8(const ek_fully_connected *params, const int8_t *input, int8_t *output);

/* One operand of ADD: its value at the common scale is Q((q - zero_point) * 2^left_shift, multiplier, shift).
 */
typedef struct ek_add_operand {
    int32_t multiplier;
    int8_t shift;
    int8_t zero_point;
} ek_add_operand;

/* Parameters of ADD. */
typedef struct ek_add {
    uint32_t size; /* elements of each of the three tensors */
    ek_add_operand operands[2];
    int32_t output_multiplier;
    int8_t output_shift;
    int8_t output_zero_point;
    int8_t activation_min;
    int8_t activation_max;
    uint8_t left_shift; /* bits of headroom that the common scale adds: 20 in TensorFlow Lite */
} ek_add;

/*
 * Element by element: q = Q(a + b, output_multiplier, output_shift) + output_zero_point, clamped, where
 * a and b are the operands at the common scale.
 *   input_0, input_1  [in]  size bytes each; they may be the same tensor
 *   output            [out] size bytes
 */
void ek_add_s8(const ek_add *params, const int8_t *input_0, const int8_t *input_1, int8_t *output);

/* Parameters of AVERAGE_POOL_2D and MAX_POOL_2D.
 * Input and output have the same channels, scale and zero point. Every window meets the input. */
typedef struct ek_pool_2d {
    ek_shape input;
    ek_shape output;
    ek_window window; /* dilation_height and dilation_width are 1 */
    int8_t activation_min;
    int8_t activation_max;
} ek_pool_2d;

/*
 * Mean of the elements of the window that lie inside the input, rounded to nearest, ties away from
 * zero, clamped.
 *   input   [in]  input.height * input.width * input.channels bytes
 *   output  [out] output.height * output.width * output.channels bytes
 */
void ek_average_pool_2d_s8(const ek_pool_2d *params, const int8_t *input, int8_t *output);

/* Maximum of the elements of the window that lie inside the input, clamped. Arguments as above. */
void ek_max_pool_2d_s8(const ek_pool_2d *params, const int8_t *input, int8_t *output);

/* Parameters of MEAN. */
typedef struct ek_mean {
    ek_shape input;
    int32_t multiplier; /* input_scale / output_scale / (input.height * input.width) */
    int8_t shift;
    int8_t input_zero_point;
    int8_t output_zero_point;
} ek_mean;

/*
 * Mean over H and W of each channel: q = Q(sum of (input - input_zero_point), multiplier, shift)
 * + output_zero_point, clamped to -128..127.
 *   input   [in]  input.height * input.width * input.channels bytes
 *   output  [out] input.channels bytes
 */
void ek_mean_s8(const ek_mean *params, const int8_t *input, int8_t *output);

/* Parameters of PAD.
 * Axes from the outermost to the innermost; a tensor of fewer than four has leading axes of extent 1. */
typedef struct ek_pad {
    uint32_t input[4];  /* extents of the input */
    uint32_t before[4]; /* elements added in front of each axis */
    uint32_t after[4];  /* elements added behind each axis */
    int8_t value;       /* what they are filled with */
} ek_pad;

/*
 * The input with a border of `value`.
 *   input   [in]  product of input[] bytes
 *   output  [out] product of before[] + input[] + after[] bytes
 */
void ek_pad_s8(const ek_pad *params, const int8_t *input, int8_t *output);

/* Parameters of SOFTMAX. */
typedef struct ek_softmax {
    uint32_t rows;  /* independent distributions */
    uint32_t depth; /* elements of each */
    int32_t multiplier;
    uint8_t left_shift;
    int16_t diff_min; /* -255..0 are the differences that exist; smaller values exclude none */
} ek_softmax;

/*
 * Softmax over the last axis in fixed point. For each element, d = q - (maximum of its row); where
 * d < diff_min its probability is 0, else it is exp(x) / (sum of exp over the row), where
 * x = Q(d, multiplier, left_shift) is read as Q5.26. The output has scale 1/256 and zero point -128.
 *   input   [in]  [rows][depth]
 *   output  [out] [rows][depth]
 */
void ek_softmax_s8(const ek_softmax *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_H */
