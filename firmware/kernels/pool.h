/* SPDX-License-Identifier: Apache-2.0 */
/* What poolings share: the walk along a row. */
#ifndef EDGEKIT_POOL_H
#define EDGEKIT_POOL_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "window.h"

/* The part of a window that lies inside the input; there is one element at least. */
typedef struct ek_inside {
    const int8_t *const *rows;
    const int8_t *const *rows_end;
    int32_t channels; /* bytes from one column to the next */
    int32_t bytes;    /* of all columns of a row */
} ek_inside;

/* One row of the pooling whose `pixel` makes the outputs of a window, that begins at byte `first` of its rows
 * and has `columns`. */
static inline void ek_pool_row(const EK_FLASH ek_pool_2d *pool, const int8_t *const *rows, int8_t *output,
                               void (*pixel)(const EK_FLASH ek_pool_2d *pool, const ek_inside *inside,
                                             int32_t first, int32_t columns, int8_t *output)) {
    const ek_window window = pool->window;
    const ek_taps rows_inside = ek_rows_inside(rows, window.height);
    const int32_t channels = pool->input.channels;
    ek_inside inside = {rows + rows_inside.begin, rows + rows_inside.end, channels, 0};
    int32_t left = -(int32_t)window.pad_left;
    EK_NO_UNROLL
    for (int32_t x = pool->output.width; x > 0; x--) {
        const ek_taps taps = ek_taps_inside(left, 1, window.width, pool->input.width);
        inside.bytes = (taps.end - taps.begin) * channels;
        pixel(pool, &inside, (left + taps.begin) * channels, taps.end - taps.begin, output);
        output += channels;
        left += window.stride;
    }
}

#endif /* EDGEKIT_POOL_H */
