/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D with DSP instructions: tiles of three pixels of a row, or of two, whose elements are expanded to 16
 * bits once for all output channels. The products are in tile.S, the expansion in expand.S.
 */
#include <stddef.h>

#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "tile.h"
#include "words.h"

#define PAIRS 2 /* of a quad */

/* The code for tiles of so many pixels. */
typedef struct tile_code {
    uint32_t pixels;
    ek_dsp_expand *expand;
    ek_dsp_run_tile *run;
} tile_code;

/* The bytes of a row that the windows of a tile reach over: of `count` from its first window on, those from
 * `begin` to `end` lie inside the input. */
typedef struct reach {
    int32_t count;
    int32_t begin;
    int32_t end;
    uint32_t outside; /* four times the input's zero point */
} reach;

/* Copies them. `copy` has room for fours. */
static inline void copy_columns(const int8_t *row, reach columns, int8_t *copy) {
    int32_t i = 0;
    EK_NO_UNROLL
    for (; i < columns.count; i += 4) {
        ek_dsp_store(copy + i, columns.outside);
    }
    i = columns.begin;
    EK_NO_UNROLL
    for (; i + 4 <= columns.end; i += 4) {
        ek_dsp_store(copy + i, ek_dsp_load(row + i));
    }
    EK_NO_UNROLL
    for (; i < columns.end; i++) {
        copy[i] = row[i];
    }
}

/* Expands windows some of whose `count` bytes of a row lie outside it: row by row, copied. */
static EK_NOINLINE void expand_copies(const ek_dsp_conv_2d *conv, const int8_t *const *rows, int32_t count,
                                      ek_dsp_tile *tile, tile_code code) {
    int8_t *const copy = (int8_t *)tile->end;
    const int8_t *const copied = copy;
    const int32_t first = tile->first;
    const int32_t inside = conv->input.width * conv->input.channels - first;
    const reach columns = {count, first < 0 ? -first : 0, count < inside ? count : inside,
                           (uint8_t)conv->input_zero_point * 0x01010101u};
    uint32_t *const elements = tile->elements;
    int16_t *const rest = tile->rest;
    const int8_t *const *const end = rows + conv->window.height;
    uint32_t slot = 0; /* of the rests */
    tile->first = 0;
    do {
        copy_columns(*rows++ + first, columns, copy);
        code.expand(tile, &copied, &copied + 1);
        tile->elements += tile->row_quads * PAIRS * code.pixels;
        slot += tile->row_rest;
        tile->rest = rest + slot / 2 * 2 * code.pixels + slot % 2;
    } while (rows != end);
    tile->first = first;
    tile->elements = elements;
    tile->rest = rest;
}

/* `count` tiles, the first of which is `tile`, and its windows `window` bytes of each row in all. */
static inline int8_t *run_tiles(const ek_dsp_conv_2d *conv, const int8_t *const *rows, int8_t *output,
                                uint32_t count, int32_t window, ek_dsp_tile *tile, tile_code code) {
    const int32_t row_bytes = conv->input.width * conv->input.channels;
    EK_NO_UNROLL
    for (; count > 0; count--) {
        if (tile->first >= 0 && tile->first + window <= row_bytes) {
            code.expand(tile, rows, rows + conv->window.height);
        } else {
            expand_copies(conv, rows, window, tile, code);
        }
        code.run(tile, output);
        output += code.pixels * conv->output.channels;
        tile->first += (int32_t)(code.pixels * tile->step);
    }
    return output;
}

static void conv_row(const ek_dsp_conv_2d *conv, const int8_t *const *rows, int8_t *output,
                     uint32_t *elements, const tile_code *codes, int32_t kinds) {
    const uint32_t is_several = conv->output.width > 1;
    const uint32_t channels = conv->output.channels;
    ek_dsp_tile tile = {
        -conv->window.pad_left * conv->input.channels,
        is_several * conv->window.stride * conv->input.channels,
        conv->row_quads,
        conv->row_rest,
        NULL,
        elements,
        is_several * channels,
        2 * channels,
        channels - 1,
        0,
        NULL,
        conv->stream,
    };
    int8_t *to = output;
    EK_NO_UNROLL
    for (int32_t kind = 0; kind < kinds; kind++) {
        const tile_code code = codes[kind];
        const uint32_t quad_words = PAIRS * code.pixels;
        const uint32_t window = conv->window.width * conv->input.channels + (code.pixels - 1) * tile.step;
        tile.rest = (int16_t *)(elements + conv->window.height * conv->row_quads * quad_words);
        tile.entry = conv->entries[kind];
        tile.end = elements + conv->quads * quad_words;
        to = run_tiles(conv, rows, to, conv->tiles[kind], (int32_t)window, &tile, code);
    }
    ek_dsp_clamp(output, conv->output.width * channels, conv->activation_min, conv->activation_max);
}

/* Tiles of two are linked into a program only where a row has some. */

void ek_dsp_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    static const tile_code codes[] = {{3, ek_dsp_expand_three, ek_dsp_tile_of_three},
                                      {2, ek_dsp_expand_two, ek_dsp_tile_of_two}};
    conv_row(params, rows, output, scratch, codes, 2);
}

void ek_dsp_conv_2d_exact_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    static const tile_code codes[] = {{3, ek_dsp_expand_three, ek_dsp_tile_of_three_exact},
                                      {2, ek_dsp_expand_two, ek_dsp_tile_of_two_exact}};
    conv_row(params, rows, output, scratch, codes, 2);
}

void ek_dsp_conv_2d_of_threes_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                 void *scratch) {
    static const tile_code code = {3, ek_dsp_expand_three, ek_dsp_tile_of_three};
    conv_row(params, rows, output, scratch, &code, 1);
}

void ek_dsp_conv_2d_of_threes_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                       void *scratch) {
    static const tile_code code = {3, ek_dsp_expand_three, ek_dsp_tile_of_three_exact};
    conv_row(params, rows, output, scratch, &code, 1);
}
