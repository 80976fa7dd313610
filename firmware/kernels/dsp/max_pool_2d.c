/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D with DSP instructions: SSUB8 compares four elements, SEL takes the larger ones. All channels of
 * two taps at a time, 10 instructions for their eight elements. */
#include "edgekit/ek_kernels_dsp.h"

#include "pool.h"

/* The largest of the channels of three taps, `fours` times four. */
static EK_NOINLINE void take_largest(int8_t *to, const int8_t *a, const int8_t *b, const int8_t *c,
                                     uint32_t fours) {
    EK_NO_UNROLL
    for (; fours > 0; fours--) {
        const uint32_t larger = ek_dsp_larger_bytes(ek_dsp_load(a), ek_dsp_load(b));
        ek_dsp_store(to, ek_dsp_larger_bytes(larger, ek_dsp_load(c)));
        a += 4;
        b += 4;
        c += 4;
        to += 4;
    }
}

/* Two columns at a time, the last one of an odd number twice. */
static inline void largest(const ek_dsp_taps *taps, int8_t *output) {
    const int8_t *so_far = *taps->rows + taps->first;
    EK_NO_UNROLL
    for (const int8_t *const *row = taps->rows; row != taps->end; row++) {
        const int8_t *tap = *row + taps->first;
        const int8_t *const last = tap + (taps->columns - 1) * taps->channels;
        const int8_t *next;
        EK_NO_UNROLL
        for (; tap <= last; tap = next + taps->channels) {
            next = tap == last ? tap : tap + taps->channels;
            take_largest(output, so_far, tap, next, taps->channels / 4);
            so_far = output;
        }
    }
}

void ek_dsp_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_dsp_pool_row(params, rows, output, largest);
}
