/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D with DSP instructions: tiles of three pixels of a row, whose elements are expanded to 16 bits once
 * for all output channels. The products are in tile.S, the expansion in expand.S.
 */
#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "tile.h"

#define QUAD_WORDS 6

/* A row of the window of the pixel whose window begins at column `left`, column by column. */
static EK_NOINLINE const int8_t *copy_columns(const ek_dsp_conv_2d *conv, const int8_t *row, int32_t left,
                                              int8_t *copy) {
    const int32_t channels = conv->input.channels;
    int8_t *to = copy;
    for (int32_t tap = 0; tap < conv->window.width; tap++) {
        const int32_t column = left + tap * conv->window.dilation;
        const int inside = column >= 0 && column < conv->input.width;
        const int8_t *from = row + column * channels;
        EK_NO_UNROLL
        for (int32_t i = 0; i < channels; i++) {
            *to++ = inside ? from[i] : conv->input_zero_point;
        }
    }
    return copy;
}

/* Expands the windows of three pixels, which begin at the columns `left`. Returns the end of the elements. */
static uint32_t *expand_windows(const ek_dsp_conv_2d *conv, const int8_t *const *rows,
                                const int32_t left[EK_DSP_PIXELS], uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    const int32_t reach = (conv->window.width - 1) * conv->window.dilation;
    const int32_t count = conv->window.width * channels;
    int8_t *const copies = (int8_t *)(elements + conv->quads * QUAD_WORDS);
    for (int32_t tap = 0; tap < conv->window.height; tap++) {
        const int8_t *pixels[EK_DSP_PIXELS];
        for (int32_t i = 0; i < EK_DSP_PIXELS; i++) {
            const int inside = left[i] >= 0 && left[i] + reach < conv->input.width;
            pixels[i] = inside && (conv->window.dilation == 1 || reach == 0)
                            ? rows[tap] + left[i] * channels
                            : copy_columns(conv, rows[tap], left[i], copies + i * count);
        }
        elements = ek_dsp_expand(pixels[0], pixels[1], pixels[2], elements, (uint32_t)count);
    }
    return elements;
}

static inline __attribute__((always_inline)) void conv_row(const ek_dsp_conv_2d *conv,
                                                           const int8_t *const *rows, int8_t *output,
                                                           uint32_t *elements, ek_dsp_run_tile *run_tile) {
    const int32_t width = conv->output.width;
    const int32_t channels = conv->output.channels;
    const uint32_t entry = conv->quads == 1 ? 0 : 1 + (conv->quads - 2u) % 4;
    for (int32_t x = 0; x < width; x += EK_DSP_PIXELS) {
        /* The last tile is moved to the left as far as it hangs over; narrow rows repeat their last pixel. */
        const int32_t first = x + EK_DSP_PIXELS <= width || width < EK_DSP_PIXELS ? x : width - EK_DSP_PIXELS;
        int32_t left[EK_DSP_PIXELS];
        int32_t offset[EK_DSP_PIXELS];
        for (int32_t i = 0; i < EK_DSP_PIXELS; i++) {
            const int32_t pixel = first + i < width ? i : width - 1 - first;
            left[i] = (first + pixel) * conv->window.stride - conv->window.pad_left;
            offset[i] = pixel * channels;
        }
        int8_t *const to = output + first * channels;
        const uint32_t *end = expand_windows(conv, rows, left, elements);
        run_tile(to, (uint32_t)offset[1], (uint32_t)offset[2], to + (channels - 1), elements, end, entry,
                 conv->stream);
    }
    ek_dsp_clamp(output, (uint32_t)(width * channels), conv->activation_min, conv->activation_max);
}

void ek_dsp_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile);
}

void ek_dsp_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile_exact);
}
