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
 * From sums to int8, as ek_output_stage has it, for at least 4 output channels whose shifts are 0 or to the
 * right.
 *
 * The channels come in groups of four: 0..3, and then four by four those from channels % 4 on, or from 4 on
 * if that is 0. So the first two groups overlap where the number is no multiple of four. A group is nine
 * words: four biases, four multipliers, and the four shifts as bytes, that of the first channel lowest.
 */
typedef struct ek_mve_stage {
    const int32_t *factors;
    uint8_t rounds_ties_away; /* 0: no result below the zero point is visible, so its ties do not matter */
    uint8_t sum_bits;         /* see above; 0 where no group has such factors */
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_mve_stage;

/* What dot products run over: `depth` elements a filter and output pixel. The weights of two neighbouring
 * filters alternate, 16 bytes each; the first 16 bytes of a filter have (-depth) % 16 bytes of padding in
 * front. An odd last filter has a partner of any values. */
typedef struct ek_mve_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* at least 4 channels; rows of the output are aligned to 4 if these are in fours */
    ek_window window;    /* dilation is 1 */
    int8_t input_zero_point;
    const int8_t *weights;
    ek_mve_stage stage;
} ek_mve_conv_2d;

/* CONV_2D whose window is a single pixel without padding (params: ek_mve_conv_2d). Scratch: 16 bytes an
 * output channel, their number rounded up to even. */
void ek_mve_conv_2d_1x1_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* CONV_2D (params: ek_mve_conv_2d). Scratch: as above, 4 * depth bytes, and for each row of the window 4 and
 * the columns of four neighbouring windows. */
void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* A depthwise convolution, 3 x 3, each output channel from the input channel of its number. */
typedef struct ek_mve_depthwise_conv_2d {
    ek_row_shape input;
    ek_row_shape output; /* as many channels as the input has, at least 4; alignment as above */
    ek_window window;    /* 3 x 3, stride 1 or 2, dilation 1, pad_left 0 or 1 */
    int8_t input_zero_point;
    const int8_t *weights; /* [channels][3][3] */
    ek_mve_stage stage;
} ek_mve_depthwise_conv_2d;

/* DEPTHWISE_CONV_2D (params: ek_mve_depthwise_conv_2d). Scratch: 1,088 bytes. */
void ek_mve_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
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

/*
 * ADD for which (a * multipliers[0] + b * multipliers[1] + offset) >> shift, clamped, is the right byte for
 * all 65,536 pairs: the generator tries them. The sum stays within int32.
 */
typedef struct ek_mve_add {
    uint32_t size; /* elements of each row */
    int32_t multipliers[2];
    int32_t offset;
    uint8_t shift; /* 1..24 */
    int8_t activation_min;
    int8_t activation_max;
} ek_mve_add;

/* ADD (params: ek_mve_add; rows[0] and rows[1]: a row of each operand). No scratch. */
void ek_mve_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* AVERAGE_POOL_2D (params: ek_pool_2d) over windows that lie inside the input as a whole. No scratch. */
void ek_mve_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_MVE_H */
