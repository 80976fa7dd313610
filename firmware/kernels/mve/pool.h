/* SPDX-License-Identifier: Apache-2.0 */
/* What the poolings share: the walk along a row, and the walk over the elements of a window. */
#ifndef EDGEKIT_MVE_POOL_H
#define EDGEKIT_MVE_POOL_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#include "../loops.h"
#include "../window.h"
#include "quotient.h"

/* The elements of one window that lie inside the input. */
typedef struct ek_mve_pool_taps {
    const int8_t *const *rows;
    uint32_t height;
    uint32_t first;         /* byte of each row where the first channel of the first column lies */
    uint32_t columns;       /* at least 1 */
    uint32_t channels;      /* of a column, from that first one on... */
    uint32_t left;          /* ...of which so many are left to compute */
    ek_mve_divisor divisor; /* how many elements it has in each channel */
} ek_mve_pool_taps;

/*
 * Combines the elements of a window in each channel into the vector %[value], for the channels that P0 has:
 * 5 instructions each. Clobbers q1, lr, and the operands %[rows], %[height] and %[tap], a low register.
 * Compilers cannot be told of P0 (clang knows no name for it), so nobody may want another one behind it.
 */
#define EK_MVE_WALK_TAPS(load, combine)                                                                      \
    "1:\n"                                                                                                   \
    "ldr %[tap], [%[rows]], #4\n"                                                                            \
    "add %[tap], %[tap], %[first]\n"                                                                         \
    "dls lr, %[columns]\n"                                                                                   \
    "2:\n"                                                                                                   \
    "vpst\n" load " q1, [%[tap]]\n" combine " %q[value], %q[value], q1\n"                                    \
    "add %[tap], %[tap], %[channels]\n"                                                                      \
    "le lr, 2b\n"                                                                                            \
    "subs %[height], %[height], #1\n"                                                                        \
    "bne 1b\n"

/* One row of the pooling that makes up to `lanes` neighbouring channels of a window. */
EK_INLINE void
ek_mve_pool_row(const ek_pool_2d *pool, const int8_t *const *rows, int8_t *output, uint32_t lanes,
                void (*pool_taps)(const ek_pool_2d *pool, const ek_mve_pool_taps *taps, int8_t *output)) {
    const ek_window window = pool->window;
    const uint32_t channels = pool->input.channels;
    const ek_taps rows_inside = ek_rows_inside(rows, window.height);
    ek_mve_pool_taps taps;
    taps.rows = rows + rows_inside.begin;
    taps.height = (uint32_t)(rows_inside.end - rows_inside.begin);
    taps.channels = channels;
    for (int32_t x = 0; x < pool->output.width; x++) {
        const int32_t left = x * window.stride - window.pad_left;
        const ek_taps inside = ek_taps_inside(left, 1, window.width, pool->input.width);
        taps.columns = (uint32_t)(inside.end - inside.begin);
        taps.divisor = ek_mve_divisor_of(taps.height * taps.columns);
        taps.first = (uint32_t)(left + inside.begin) * channels;
        for (uint32_t channel = 0; channel < channels; channel += lanes) {
            taps.left = channels - channel;
            pool_taps(pool, &taps, output + channel);
            taps.first += lanes;
        }
        output += channels;
    }
}

#endif /* EDGEKIT_MVE_POOL_H */
