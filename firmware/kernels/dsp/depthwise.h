/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a 3x3 depthwise convolution, four channels at a time: what depthwise.S computes. */
#ifndef EDGEKIT_DSP_DEPTHWISE_H
#define EDGEKIT_DSP_DEPTHWISE_H

#include <stdint.h>

/* depthwise.S depends on this layout. */
typedef struct ek_dsp_depthwise_row {
    const int8_t *rows[3];
    uint32_t step;   /* bytes from column to column, in the rows and in the output */
    uint32_t offset; /* 0 */
    uint32_t stop;   /* where the rows are used up, in bytes, when all pixels are done but that of the edge */
    int8_t *output;  /* such that the outputs of a pixel lie at output + (where the rows are used up then
                        >> (stride - 1)) */
    int8_t *edge;    /* of a last pixel whose last column lies outside: four bytes of the input's zero point;
                        with the stride 2, as the second half of three eights */
    uint32_t end;    /* stop; if there is an edge, a step more, or with the stride 2, 8 more */
    uint32_t last;   /* channels - 4 */
    const uint32_t *stream; /* ek_dsp_depthwise_conv_2d.stream */
    int8_t *columns;        /* room for two of six words 32 bytes apart, where bit 5 of the address is 0 */
    uint32_t outside;       /* 1: the first column lies outside */
    uint32_t zero_point;    /* of the input, as two int16 */
} ek_dsp_depthwise_row;

/* All channels of a row with the stride 1 or 2. */
typedef void ek_dsp_run_depthwise(const ek_dsp_depthwise_row *row);

ek_dsp_run_depthwise ek_dsp_depthwise_1; /* for ek_dsp_depthwise_conv_2d_s8 */
ek_dsp_run_depthwise ek_dsp_depthwise_2;
ek_dsp_run_depthwise ek_dsp_depthwise_1_exact; /* for ek_dsp_depthwise_conv_2d_exact_s8 */
ek_dsp_run_depthwise ek_dsp_depthwise_2_exact;

#endif /* EDGEKIT_DSP_DEPTHWISE_H */
