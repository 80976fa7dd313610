/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D: see ek_kernels_mve.h. Windows are copied to patches, one behind the other, so that the dot
 * products run over one stretch each. Sixteen bytes are copied at once: a part of a window's row, or short
 * rows of several windows. Of windows that hang over an end of the row the bytes inside are; the others hold
 * the zero point.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#include "../loops.h"
#include "fill.h"
#include "runs.h"
#include "tile.h"

/* How the windows of a convolution are copied. */
typedef struct copier {
    const ek_mve_conv_2d *conv;
    uint32_t depth;    /* bytes of a window */
    uint32_t run;      /* bytes of one of its rows */
    uint32_t together; /* windows that are copied at once */
    ek_mve_runs runs;
} copier;

static copier copier_of(const ek_mve_windows *windows, const int8_t *const *rows) {
    const ek_mve_conv_2d *const conv = &windows->conv;
    const uint32_t step = (uint32_t)conv->window.stride * conv->input.channels;
    copier copy;
    copy.conv = conv;
    copy.run = (uint32_t)conv->window.width * conv->input.channels;
    copy.depth = conv->window.height * copy.run;
    copy.together = windows->together;
    copy.runs.height = conv->window.height;
    copy.runs.rows = rows;
    copy.runs.row_bytes = copy.run;
    copy.runs.from_step = copy.together * step;
    copy.runs.to_step = copy.together * copy.depth;
    copy.runs.offsets = windows->offsets;
    return copy;
}

/* Copies what is inside the input of `count` windows from number `x` on, `times` times; they lie at `to`. */
static void copy_windows(copier *copy, uint32_t x, uint32_t count, uint32_t times, int8_t *to) {
    const ek_mve_conv_2d *const conv = copy->conv;
    const int32_t channels = conv->input.channels;
    const uint8x16_t from = vldrbq_u8(copy->runs.offsets);
    int32_t first = ((int32_t)(x * conv->window.stride) - conv->window.pad_left) * channels;
    copy->runs.times = times;
    for (uint32_t part = 0; part < copy->run; part += EK_MVE_BYTES) {
        const int32_t behind = conv->input.width * channels - first; /* offsets from here on are outside */
        uint32_t lanes = vctp8q(count * copy->run - part);
        if (first < 0) {
            lanes &= first > -UINT8_MAX ? vcmpcsq_n_u8(from, (uint8_t)-first) : 0u;
        }
        if (behind < UINT8_MAX) {
            lanes &= behind > 0 ? ~(uint32_t)vcmpcsq_n_u8(from, (uint8_t)behind) : 0u;
        }
        copy->runs.first = first;
        copy->runs.to = to + part;
        copy->runs.lanes = lanes;
        ek_mve_copy_runs(&copy->runs);
        first += EK_MVE_BYTES;
    }
}

/* Copies `count` windows from number `x` on, one behind the other. Not inlined: it leaves the stack before
 * they are multiplied. */
static EK_NOINLINE void fill_patches(const ek_mve_windows *windows, const int8_t *const *rows, uint32_t x,
                                     uint32_t count, int8_t *patches) {
    const ek_mve_conv_2d *const conv = &windows->conv;
    copier copy = copier_of(windows, rows);
    const int32_t stride = conv->window.stride;
    /* The windows first..last are inside the input. */
    const int32_t first = (conv->window.pad_left + stride - 1) / stride;
    const int32_t room = conv->input.width + conv->window.pad_left - conv->window.width;
    const int32_t last = room < 0 ? -1 : room / stride; /* C would round -1 / 2 up */
    if ((int32_t)x < first || (int32_t)(x + count) > last + 1) {
        ek_mve_fill(patches, conv->input_zero_point, (int32_t)(count * copy.depth));
    }
    while (count > 0) {
        const uint32_t together = count < copy.together ? count : copy.together;
        const int32_t inside = (int32_t)x < first ? 0 : last + 1 - (int32_t)x;
        uint32_t times = (inside < (int32_t)count ? (inside > 0 ? (uint32_t)inside : 0) : count) / together;
        times = times > 0 ? times : 1;
        copy_windows(&copy, x, together, times, patches);
        x += times * together;
        count -= times * together;
        patches += times * together * copy.depth;
    }
}

void ek_mve_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_windows *const windows = params;
    const uint32_t filters = windows->conv.output.channels;
    const uint32_t width = windows->conv.output.width;
    const uint32_t depth =
        (uint32_t)windows->conv.window.height * windows->conv.window.width * windows->conv.input.channels;
    ek_mve_tile tile = ek_mve_tile_of(&windows->conv, depth);
    for (uint32_t x = 0; x < width; x += windows->patches) {
        const uint32_t pixels = width - x < windows->patches ? width - x : windows->patches;
        fill_patches(windows, rows, x, pixels, scratch);
        ek_mve_run_pixels(&tile, pixels, scratch, depth, output + x * filters, filters);
    }
}
