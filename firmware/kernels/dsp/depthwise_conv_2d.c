/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D 3x3 with DSP instructions: the row as depthwise.S wants it. */
#include "edgekit/ek_kernels_dsp.h"

#include "clamp.h"
#include "depthwise.h"
#include "words.h"

#define QUAD         4
#define WINDOW       3  /* columns */
#define COLUMN_BYTES 32 /* from one to the next */
#define EDGE_BYTES   8  /* of a row, with the stride 2 */

/* What the last pixel reads outside: the second half of three eights. */
static void fill_edge(int8_t *edge, int8_t zero_point) {
    const uint32_t outside = (uint8_t)zero_point * 0x01010101u;
    ek_dsp_store(edge + QUAD, outside);
    ek_dsp_store(edge + QUAD + EDGE_BYTES, outside);
    ek_dsp_store(edge + QUAD + 2 * EDGE_BYTES, outside);
}

static void depthwise_row(const ek_dsp_depthwise_conv_2d *conv, const int8_t *const *rows, int8_t *output,
                          int8_t *scratch, uint32_t stride, ek_dsp_run_depthwise *run) {
    const uint32_t channels = conv->input.channels;
    const uint32_t seen = (WINDOW - conv->outside) * channels; /* by the first pixel */
    const uint32_t stop = seen + (conv->inner * stride - stride) * channels;
    const int has_edge = conv->inner < conv->output.width;
    const uint32_t skipped = (uintptr_t)scratch & COLUMN_BYTES;
    int8_t *const columns = scratch + skipped;
    int8_t *const edge = skipped != 0 ? scratch : columns + 2 * COLUMN_BYTES;
    fill_edge(edge, conv->input_zero_point);
    const ek_dsp_depthwise_row row = {
        {rows[0], rows[1], rows[2]},
        channels,
        0,
        stop,
        output - (seen >> (stride - 1)),
        stride == 1 ? edge + QUAD : edge,
        stop + (has_edge ? (stride == 1 ? channels : EDGE_BYTES) : 0),
        channels - QUAD,
        conv->stream,
        columns,
        conv->outside,
        ((uint32_t)conv->input_zero_point & 0xffffu) * 0x10001u,
    };
    run(&row);
    ek_dsp_clamp(output, conv->output.width * channels, conv->activation_min, conv->activation_max);
}

void ek_dsp_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    depthwise_row(params, rows, output, scratch, 1, ek_dsp_depthwise_1);
}

void ek_dsp_depthwise_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch) {
    depthwise_row(params, rows, output, scratch, 1, ek_dsp_depthwise_1_exact);
}

void ek_dsp_strided_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                         void *scratch) {
    depthwise_row(params, rows, output, scratch, 2, ek_dsp_depthwise_2);
}

void ek_dsp_strided_depthwise_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                               void *scratch) {
    depthwise_row(params, rows, output, scratch, 2, ek_dsp_depthwise_2_exact);
}
