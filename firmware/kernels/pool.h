/* SPDX-License-Identifier: Apache-2.0 */
/* What the poolings share: the walk along a row. */
#ifndef EDGEKIT_POOL_H
#define EDGEKIT_POOL_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#include "requantize.h"
#include "window.h"

/* The taps of one window that lie inside the input. */
typedef struct ek_pool_taps {
    const int8_t *const *rows;
    ek_taps rows_inside;
    int32_t first;    /* where the first column's channels start within a row */
    int32_t columns;  /* as many columns lie inside */
    int32_t channels; /* from one column to the next */
} ek_pool_taps;

/* sum / count rounded to nearest, ties away from zero. */
static inline int32_t ek_rounded_quotient(int32_t sum, int32_t count) {
    const int32_t half = count / 2;
    return (sum > 0 ? sum + half : sum - half) / count;
}

/* One row of the pooling that makes an element of the taps of one channel. */
static inline void ek_pool_row(const EK_FLASH ek_pool_2d *pool, const int8_t *const *rows, int8_t *output,
                               int32_t (*element)(const ek_pool_taps *taps, int32_t channel)) {
    const ek_window window = pool->window;
    ek_pool_taps taps;
    taps.rows = rows;
    taps.rows_inside = ek_rows_inside(rows, window.height);
    taps.channels = pool->input.channels;
    for (int32_t x = 0; x < pool->output.width; x++) {
        const int32_t left = x * window.stride - window.pad_left;
        const ek_taps columns = ek_taps_inside(left, 1, window.width, pool->input.width);
        taps.first = (left + columns.begin) * taps.channels;
        taps.columns = columns.end - columns.begin;
        for (int32_t channel = 0; channel < taps.channels; channel++) {
            *output++ = ek_clamp(element(&taps, channel), pool->activation_min, pool->activation_max);
        }
    }
}

#endif /* EDGEKIT_POOL_H */
