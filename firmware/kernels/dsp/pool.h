/* SPDX-License-Identifier: Apache-2.0 */
/* What the poolings share: the walk along a row. */
#ifndef EDGEKIT_DSP_POOL_H
#define EDGEKIT_DSP_POOL_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#include "../loops.h"
#include "../window.h"
#include "clamp.h"
#include "words.h"

/* The taps of one window that lie inside the input. */
typedef struct ek_dsp_taps {
    const int8_t *const *rows; /* with taps, and where they end */
    const int8_t *const *end;
    uint32_t first;    /* where the first column's channels begin within a row */
    uint32_t columns;  /* that have taps */
    uint32_t channels; /* from one column to the next: fours */
} ek_dsp_taps;

/* One row of the pooling that makes the channels of a pixel of a window. */
EK_INLINE void ek_dsp_pool_row(const ek_pool_2d *pool, const int8_t *const *rows, int8_t *output,
                               void (*pixel)(const ek_dsp_taps *taps, int8_t *output)) {
    const ek_window window = pool->window;
    const ek_taps inside = ek_rows_inside(rows, window.height);
    const uint32_t channels = pool->input.channels;
    ek_dsp_taps taps = {rows + inside.begin, rows + inside.end, 0, 0, channels};
    int8_t *to = output;
    int32_t left = -(int32_t)window.pad_left;
    for (uint32_t x = pool->output.width; x > 0; x--) {
        const ek_taps columns = ek_taps_inside(left, 1, window.width, pool->input.width);
        taps.first = (uint32_t)(left + columns.begin) * channels;
        taps.columns = (uint32_t)(columns.end - columns.begin);
        pixel(&taps, to);
        to += channels;
        left += window.stride;
    }
    ek_dsp_clamp(output, pool->output.width * channels, pool->activation_min, pool->activation_max);
}

#endif /* EDGEKIT_DSP_POOL_H */
