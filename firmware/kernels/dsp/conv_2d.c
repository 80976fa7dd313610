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

/* What lies behind the elements in the scratch bytes: a column outside the input, and copies. */
typedef struct edge {
    int8_t *outside; /* input.channels bytes */
    int8_t *copies;  /* a row of each pixel's window; none where columns are whole quads */
} edge;

static EK_NOINLINE void copy_bytes(const int8_t *from, int8_t *to, int32_t count) {
    EK_NO_UNROLL
    for (; count >= 4; count -= 4) {
        ek_dsp_store(to, ek_dsp_load(from));
        from += 4;
        to += 4;
    }
    EK_NO_UNROLL
    for (; count > 0; count--) {
        *to++ = *from++;
    }
}

/* Expands a row of the windows of three pixels, of which the window of pixel i begins at column left[i],
 * column by column. */
static EK_NOINLINE uint32_t *expand_edge(const ek_dsp_conv_2d *conv, const int8_t *row,
                                         const int32_t left[EK_DSP_PIXELS], edge edge, uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    const int32_t run = conv->window.width * channels;
    int8_t *copies = edge.copies;
    for (int32_t tap = 0; tap < conv->window.width; tap++) {
        const int8_t *columns[EK_DSP_PIXELS];
        for (int32_t i = 0; i < EK_DSP_PIXELS; i++) {
            const int32_t x = left[i] + tap * conv->window.dilation;
            columns[i] = x >= 0 && x < conv->input.width ? row + x * channels : edge.outside;
        }
        if (channels % QUAD == 0) {
            elements = ek_dsp_expand(columns[0], columns[1], columns[2], elements, (uint32_t)channels);
            continue;
        }
        for (int32_t i = 0; i < EK_DSP_PIXELS; i++) {
            copy_bytes(columns[i], copies + i * run, channels);
        }
        copies += channels;
    }
    if (channels % QUAD == 0) {
        return elements;
    }
    copies = edge.copies;
    return ek_dsp_expand(copies, copies + run, copies + 2 * run, elements, (uint32_t)run);
}

/* Expands the windows of three pixels at the columns `first` + offset[i] of the output. Returns the end of
 * the elements. */
static inline uint32_t *expand_windows(const ek_dsp_conv_2d *conv, const int8_t *const *rows, int32_t first,
                                       const int32_t pixel[EK_DSP_PIXELS], edge edge, uint32_t *elements) {
    const int32_t channels = conv->input.channels;
    const int32_t stride = conv->window.stride;
    const int32_t left = first * stride - conv->window.pad_left;
    const int32_t end = left + pixel[2] * stride + conv->window.width;
    if (left >= 0 && end <= conv->input.width && conv->window.dilation == 1) {
        const int8_t *const *const end_of_rows = rows + conv->window.height;
        const uint32_t count = conv->window.width * (uint32_t)channels;
        const int32_t offset = left * channels;
        const int32_t offset_1 = offset + pixel[1] * stride * channels;
        const int32_t offset_2 = offset + pixel[2] * stride * channels;
        do {
            const int8_t *const row = *rows++;
            elements = ek_dsp_expand(row + offset, row + offset_1, row + offset_2, elements, count);
        } while (rows != end_of_rows);
        return elements;
    }
    const int32_t columns[EK_DSP_PIXELS] = {left, left + pixel[1] * stride, left + pixel[2] * stride};
    for (int32_t tap = 0; tap < conv->window.height; tap++) {
        elements = expand_edge(conv, rows[tap], columns, edge, elements);
    }
    return elements;
}

static inline __attribute__((always_inline)) void conv_row(const ek_dsp_conv_2d *conv,
                                                           const int8_t *const *rows, int8_t *output,
                                                           uint32_t *elements, ek_dsp_run_tile *run_tile) {
    const int32_t width = conv->output.width;
    const int32_t channels = conv->output.channels;
    const uint32_t entry = conv->quads == 1 ? 0 : 1 + (conv->quads - 2u) % 4;
    /* Rows that are too narrow for a tile repeat their last pixel. */
    const int32_t pixel[EK_DSP_PIXELS] = {0, width > 1, width > 2 ? 2 : width > 1};
    const int32_t last_tile = width - 1 - pixel[2];
    int8_t *const outside = (int8_t *)(elements + conv->quads * QUAD_WORDS);
    const edge edge = {outside, outside + conv->input.channels};
    if (conv->hangs_over) {
        EK_NO_UNROLL
        for (int32_t i = 0; i < conv->input.channels; i++) {
            outside[i] = conv->input_zero_point;
        }
    }
    for (int32_t x = 0; x < width; x += EK_DSP_PIXELS) {
        /* The last tile is moved to the left as far as it hangs over. */
        const int32_t first = x < last_tile ? x : last_tile;
        int8_t *const to = output + first * channels;
        const uint32_t *const end = expand_windows(conv, rows, first, pixel, edge, elements);
        run_tile(to, (uint32_t)(pixel[1] * channels), (uint32_t)(pixel[2] * channels), to + (channels - 1),
                 elements, end, entry, conv->stream);
    }
    ek_dsp_clamp(output, (uint32_t)(width * channels), conv->activation_min, conv->activation_max);
}

void ek_dsp_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile);
}

void ek_dsp_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    conv_row(params, rows, output, scratch, ek_dsp_tile_exact);
}
