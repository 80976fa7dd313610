/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D with DSP instructions: tiles of three pixels of a row, whose elements are expanded to 16 bits once
 * for all output channels. The products are in tile.S, the expansion in expand.S.
 */
#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "tile.h"
#include "words.h"

#define QUAD       4 /* elements */
#define QUAD_WORDS 6 /* of three pixels */

/* `count` bytes from byte `first` of a row on; `value` stands in for those outside it. */
static const int8_t *copy_window(const int8_t *row, uint32_t row_bytes, int32_t first, uint32_t count,
                                 int8_t value, int8_t *copy) {
    EK_NO_UNROLL
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t byte = (uint32_t)first + i;
        copy[i] = byte < row_bytes ? row[byte] : value;
    }
    return copy;
}

/* Expands a row of the windows of three pixels, which begin at the columns left[i], where columns are whole
 * quads: column by column. `outside` stands in for columns outside the input. */
static uint32_t *expand_columns(const ek_dsp_conv_2d *conv, const int8_t *row,
                                const int32_t left[EK_DSP_PIXELS], const int8_t *outside,
                                uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    for (int32_t tap = 0; tap < conv->window.width; tap++) {
        const int8_t *columns[EK_DSP_PIXELS];
        for (int32_t i = 0; i < EK_DSP_PIXELS; i++) {
            const int32_t x = left[i] + tap;
            columns[i] = x >= 0 && x < conv->input.width ? row + x * channels : outside;
        }
        elements = ek_dsp_expand(columns[0], columns[1], columns[2], elements, (uint32_t)channels);
    }
    return elements;
}

/* The same where they are not: windows that hang over are copied. */
static uint32_t *expand_copies(const ek_dsp_conv_2d *conv, const int8_t *row,
                               const int32_t left[EK_DSP_PIXELS], int8_t *copies, uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    const uint32_t row_bytes = conv->input.width * (uint32_t)channels;
    const uint32_t count = conv->window.width * (uint32_t)channels;
    const int8_t *windows[EK_DSP_PIXELS];
    for (uint32_t i = 0; i < EK_DSP_PIXELS; i++) {
        const int32_t first = left[i] * channels;
        windows[i] =
            first >= 0 && (uint32_t)first + count <= row_bytes
                ? row + first
                : copy_window(row, row_bytes, first, count, conv->input_zero_point, copies + i * count);
    }
    return ek_dsp_expand(windows[0], windows[1], windows[2], elements, count);
}

/* Expands the windows of three pixels, which begin at the columns left[i]. Returns the end of the elements.
 */
static inline uint32_t *expand_windows(const ek_dsp_conv_2d *conv, const int8_t *const *rows,
                                       const int32_t left[EK_DSP_PIXELS], int8_t *outside,
                                       uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    if (left[0] >= 0 && left[2] + conv->window.width <= conv->input.width) {
        const int8_t *const *const end = rows + conv->window.height;
        const uint32_t count = conv->window.width * (uint32_t)channels;
        const int32_t offset = left[0] * channels;
        const int32_t offset_1 = left[1] * channels;
        const int32_t offset_2 = left[2] * channels;
        do {
            const int8_t *const row = *rows++;
            elements = ek_dsp_expand(row + offset, row + offset_1, row + offset_2, elements, count);
        } while (rows != end);
        return elements;
    }
    for (int32_t tap = 0; tap < conv->window.height; tap++) {
        elements = channels % QUAD == 0 ? expand_columns(conv, rows[tap], left, outside, elements)
                                        : expand_copies(conv, rows[tap], left, outside, elements);
    }
    return elements;
}

static inline __attribute__((always_inline)) void conv_row(const ek_dsp_conv_2d *conv,
                                                           const int8_t *const *rows, int8_t *output,
                                                           uint32_t *elements, ek_dsp_run_tile *run_tile) {
    const int32_t width = conv->output.width;
    const int32_t channels = conv->output.channels;
    const int32_t stride = conv->window.stride;
    int8_t *const outside = (int8_t *)(elements + conv->quads * QUAD_WORDS);
    if (conv->hangs_over && conv->input.channels % QUAD == 0) {
        EK_NO_UNROLL
        for (int32_t i = 0; i < conv->input.channels; i++) {
            outside[i] = conv->input_zero_point;
        }
    }
    uint32_t entry = ek_dsp_entry(conv->quads, 1);
    int32_t pixel_1 = 1;
    int32_t pixel_2 = 2;
    int8_t *to = output;
    for (int32_t x = 0; x < width; x += EK_DSP_PIXELS) {
        if (x + EK_DSP_PIXELS > width) {
            entry = ek_dsp_entry(conv->quads, 0);
            pixel_1 = pixel_2 = width - 1 - x;
        }
        const int32_t first = x * stride - conv->window.pad_left;
        const int32_t left[EK_DSP_PIXELS] = {first, first + pixel_1 * stride, first + pixel_2 * stride};
        const uint32_t *const end = expand_windows(conv, rows, left, outside, elements);
        run_tile(to, (uint32_t)(pixel_1 * channels), (uint32_t)(pixel_2 * channels), to + (channels - 1),
                 elements, end, entry, conv->stream);
        to += EK_DSP_PIXELS * channels;
    }
    ek_dsp_clamp(output, (uint32_t)(width * channels), conv->activation_min, conv->activation_max);
}

void ek_dsp_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile);
}

void ek_dsp_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile_exact);
}
