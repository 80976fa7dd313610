/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEPTHWISE_CONV_2D 3x3 with DSP instructions: four channels of the rows at a time become columns of 16 bits,
 * each of which is used by up to three pixels. The products are in depthwise_columns.S, the columns are made
 * in columns.S.
 */
#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "depthwise_columns.h"

#define QUAD           4
#define WINDOW_COLUMNS 3
#define COLUMN_BYTES   (4 * EK_DSP_COLUMN_WORDS)
#define FIXED_WORDS    22 /* of four channels: biases and weights */

/* Columns outside the input. */
static EK_NOINLINE void fill_columns(uint32_t *words, int32_t columns, int32_t zero_point) {
    const uint32_t word = ((uint32_t)zero_point & 0xffffu) * 0x10001u;
    EK_NO_UNROLL
    for (int32_t i = columns * EK_DSP_COLUMN_WORDS; i > 0; i--) {
        *words++ = word;
    }
}

static inline __attribute__((always_inline)) void depthwise_row(const ek_dsp_depthwise_conv_2d *conv,
                                                                const int8_t *const *rows, int8_t *output,
                                                                uint32_t *columns, int32_t constants,
                                                                ek_dsp_run_pixels *run_pixels) {
    const int32_t channels = conv->input.channels;
    const int32_t left = conv->window.pad_left;
    const int32_t right = conv->columns - left - conv->input.width;
    const int32_t inside = conv->input.width + (right < 0 ? right : 0);
    const int32_t rewind = (WINDOW_COLUMNS - conv->window.stride) * COLUMN_BYTES;
    const int32_t output_bytes = conv->output.width * channels;
    uint32_t *const first = columns + left * EK_DSP_COLUMN_WORDS;
    const uint32_t *stream = conv->stream;
    fill_columns(columns, left, conv->input_zero_point);
    fill_columns(first + inside * EK_DSP_COLUMN_WORDS, right, conv->input_zero_point);
    for (int32_t i = 0; i < channels; i += QUAD) {
        const int32_t channel = i + QUAD <= channels ? i : channels - QUAD;
        int8_t *const to = output + channel;
        ek_dsp_expand_columns(rows[0] + channel, rows[1] + channel, rows[2] + channel, first,
                              (uint32_t)(inside * channels), (uint32_t)channels);
        run_pixels(columns, stream, to, (uint32_t)channels, to + output_bytes, (uint32_t)rewind);
        stream += FIXED_WORDS + QUAD * constants;
    }
    ek_dsp_clamp(output, (uint32_t)output_bytes, conv->activation_min, conv->activation_max);
}

void ek_dsp_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    depthwise_row(params, rows, output, scratch, 2, ek_dsp_depthwise_pixels);
}

void ek_dsp_depthwise_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch) {
    depthwise_row(params, rows, output, scratch, 3, ek_dsp_depthwise_pixels_exact);
}
