/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D with DSP instructions: SSUB8 compares four elements, SEL takes the larger ones; 6 instructions
 * for those of a tap. */
#include "edgekit/ek_kernels_dsp.h"

#include "pool.h"

static EK_NOINLINE uint32_t largest(const ek_dsp_taps *taps, uint32_t channel) {
    const uint32_t channels = taps->channels;
    const uint32_t columns = taps->columns;
    const uint32_t first = taps->first + channel;
    const int8_t *const *row = taps->rows;
    const int8_t *const *const end = taps->end;
    uint32_t most = 0x80808080u;
    do {
        const int8_t *tap = *row++ + first;
        EK_NO_UNROLL
        for (uint32_t left = columns; left > 0; left--) {
            most = ek_dsp_larger_bytes(most, ek_dsp_load(tap));
            tap += channels;
        }
    } while (row != end);
    return most;
}

void ek_dsp_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_dsp_pool_row(params, rows, output, largest);
}
