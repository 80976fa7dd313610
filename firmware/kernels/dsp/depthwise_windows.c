/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEPTHWISE_CONV_2D with a window of any size with DSP instructions, strip by strip of a row. Four input
 * channels after four the columns that the strip sees are expanded (columns.S), and the window slides along
 * them (windows.S) once for each output channel of an input channel. Columns outside of the input are the
 * same for all channels.
 */
#include <stddef.h>

#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "columns.h"

#define QUAD 4 /* channels */

/* Fills columns that lie outside of the input. */
static inline void fill(ek_dsp_pairs *pairs, const ek_dsp_pairs *end, int8_t zero_point) {
    const uint32_t word = ((uint32_t)zero_point & 0xffffu) * 0x10001u;
    const ek_dsp_pairs outside = {{word, word, word, word}};
    EK_NO_UNROLL
    while (pairs != end) {
        *pairs++ = outside;
    }
}

/* All channels of a strip, whose `inside` columns that lie inside the input go to `to`; the first lies
 * `first` bytes behind the beginnings of the rows. `windows` are those of the first four output channels. */
static inline void run_strip(const ek_dsp_columns *columns, ek_dsp_pairs *to, uint32_t first, uint32_t inside,
                             uint32_t channels, ek_dsp_windows windows, uint32_t stream_words,
                             ek_dsp_run_windows *run) {
    const uint32_t multiplier = windows.channel_1;
    const uint32_t last = first + channels - QUAD;
    for (;;) {
        ek_dsp_expand_columns(to, columns, first, inside);
        EK_NO_UNROLL
        for (uint32_t i = multiplier; i > 0; i--) {
            run(&windows);
            windows.output++;
            windows.stream += stream_words;
            windows.constants += stream_words;
        }
        if (first == last) {
            return;
        }
        const uint32_t step = last - first < QUAD ? last - first : QUAD;
        first += step;
        windows.output += (step - 1) * multiplier;
    }
}

/*
 * The pixels of a row whose windows have their columns in common: all, or of a dilated convolution those that
 * are as far from each other as taps are, from `pixel` on. Columns are counted in such distances, from the
 * first that the first window has.
 */
static void run_row(const ek_dsp_depthwise_windows *conv, const int8_t *const *rows, int8_t *output,
                    ek_dsp_pairs *scratch, int32_t pixel, uint32_t constants, ek_dsp_run_windows *run) {
    const int32_t distance = conv->window.dilation;
    const int32_t origin = pixel - conv->window.pad_left;
    const int32_t first_inside = origin < 0 ? (distance - 1 - origin) / distance : 0;
    const int32_t beyond = (conv->input.width - origin + distance - 1) / distance;
    const uint32_t pairs = (conv->window.height + 1u) / 2;
    const uint32_t window_words = QUAD * pairs * conv->window.width;
    const int32_t stride = conv->window.stride;
    const ek_dsp_columns columns = {(uint32_t)distance * conv->input.channels, pairs * sizeof *scratch, rows,
                                    rows + conv->window.height};
    ek_dsp_windows windows = {
        scratch,
        output + (uint32_t)pixel * conv->output.channels,
        conv->depth_multiplier,
        3u * conv->depth_multiplier,
        (uint32_t)stride * columns.pitch,
        (uint32_t)distance * conv->output.channels,
        NULL,
        conv->stream,
        conv->stream + QUAD + window_words,
        conv->entry,
    };
    int32_t column = 0;
    int32_t left = (conv->output.width - pixel + distance - 1) / distance;
    while (left > 0) {
        const int32_t pixels = left < conv->strip ? left : conv->strip;
        const int32_t count = (pixels - 1) * stride + conv->window.width;
        const int32_t begin = column < first_inside ? first_inside : column;
        const int32_t end = column + count < beyond ? column + count : beyond;
        ek_dsp_pairs *const inside = scratch + (uint32_t)(begin - column) * pairs;
        windows.end = scratch + (uint32_t)(pixels * stride) * pairs;
        fill(scratch, inside, conv->input_zero_point);
        fill(scratch + (uint32_t)(end - column) * pairs, scratch + (uint32_t)count * pairs,
             conv->input_zero_point);
        run_strip(&columns, inside, (uint32_t)(origin + begin * distance) * conv->input.channels,
                  (uint32_t)(end - begin), conv->input.channels, windows, QUAD + window_words + constants,
                  run);
        windows.output += (uint32_t)pixels * windows.output_step;
        column += pixels * stride;
        left -= pixels;
    }
}

static void depthwise_row(const ek_dsp_depthwise_windows *conv, const int8_t *const *rows, int8_t *output,
                          ek_dsp_pairs *scratch, uint32_t constants, ek_dsp_run_windows *run) {
    EK_NO_UNROLL
    for (int32_t pixel = 0; pixel < conv->window.dilation; pixel++) {
        run_row(conv, rows, output, scratch, pixel, constants, run);
    }
    ek_dsp_clamp(output, conv->output.width * (uint32_t)conv->output.channels, conv->activation_min,
                 conv->activation_max);
}

void ek_dsp_depthwise_windows_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    depthwise_row(params, rows, output, scratch, 2 * QUAD, ek_dsp_slide);
}

void ek_dsp_depthwise_windows_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch) {
    depthwise_row(params, rows, output, scratch, 3 * QUAD, ek_dsp_slide_exact);
}
