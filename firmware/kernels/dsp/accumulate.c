/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of a mean over an image with DSP instructions: two channels of a row are added up in a word,
 * 6 instructions for four elements. */
#include <stddef.h>

#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "../sums.h"
#include "words.h"

#define QUAD 4 /* channels */

/* The sums of four channels of a row: of those of two in each word, two int16. */
typedef struct quad_sums {
    uint32_t even;
    uint32_t odd;
} quad_sums;

static EK_NOINLINE quad_sums add_columns(const int8_t *row, uint32_t columns, uint32_t channels) {
    quad_sums sums = {0, 0};
    EK_NO_UNROLL
    for (; columns > 0; columns--) {
        const uint32_t quad = ek_dsp_load(row);
        sums.even = ek_dsp_add_even_bytes(sums.even, quad);
        sums.odd = ek_dsp_add_odd_bytes(sums.odd, quad);
        row += channels;
    }
    return sums;
}

void ek_dsp_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_accumulate *const accumulate = params;
    const int32_t channels = accumulate->input.channels;
    const int8_t *const before = rows[1];
    (void)scratch;
    for (int32_t i = 0; i < channels; i += QUAD) {
        const int32_t channel = i + QUAD <= channels ? i : channels - QUAD;
        const quad_sums sums = add_columns(rows[0] + channel, accumulate->input.width, (uint32_t)channels);
        const int32_t quad[QUAD] = {(int16_t)sums.even, (int16_t)sums.odd, (int32_t)sums.even >> 16,
                                    (int32_t)sums.odd >> 16};
        for (int32_t c = 0; c < QUAD; c++) {
            const int32_t sum = before != NULL ? ek_get_sum(before, channel + c) : 0;
            ek_put_sum(output, channel + c, sum + quad[c]);
        }
    }
}
