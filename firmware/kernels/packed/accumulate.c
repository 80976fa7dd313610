/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of a mean over an image, four channels at a time: a word of a column is added to two words
 * of two sums of 16 bits, 10 instructions.
 */
#include <stddef.h>

#include "edgekit/ek_kernels_packed.h"

#include "../loops.h"
#include "../sums.h"

#define QUAD  4
#define BIAS  0x80808080u /* makes bytes unsigned: 128 more each */
#define EVENS 0x00ff00ffu

/* The word at `quad`, which is aligned. */
static inline uint32_t load(const int8_t *quad) {
    uint32_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(quad, sizeof word), sizeof word);
    return word;
}

/* Sums of four channels of `columns` columns, each 128 more a column: the even ones, and 2^32 times the odd.
 * Two words in registers. */
static EK_NOINLINE uint64_t sum_quad(const int8_t *quad, uint32_t columns, int32_t channels) {
    uint32_t even = 0;
    uint32_t odd = 0;
    EK_NO_UNROLL
    for (; columns > 0; columns--) {
        const uint32_t bytes = load(quad) ^ BIAS;
        even += bytes & EVENS;
        odd += (bytes >> 8) & EVENS;
        quad += channels;
    }
    return even | (uint64_t)odd << 32;
}

static inline void add(int8_t *output, const int8_t *before, int32_t index, uint32_t summand) {
    ek_put_sum(output, index, (int32_t)((uint32_t)ek_get_sum(before, index) + summand));
}

void ek_packed_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_accumulate *const accumulate = params;
    const int32_t channels = accumulate->input.channels;
    const uint32_t columns = accumulate->input.width;
    const uint32_t bias = 128 * columns;
    const int8_t *quad = rows[0];
    const int8_t *const end = quad + channels;
    const int8_t *before = rows[1];
    (void)scratch;
    if (before == NULL) {
        before = output;
        EK_NO_UNROLL
        for (int32_t channel = 0; channel < channels; channel++) {
            ek_put_sum(output, channel, 0);
        }
    }
    EK_NO_UNROLL
    for (; quad != end; quad += QUAD) {
        const uint64_t sums = sum_quad(quad, columns, channels);
        const uint32_t even = (uint32_t)sums;
        const uint32_t odd = (uint32_t)(sums >> 32);
        add(output, before, 0, (even & 0xffffu) - bias);
        add(output, before, 1, (odd & 0xffffu) - bias);
        add(output, before, 2, (even >> 16) - bias);
        add(output, before, 3, (odd >> 16) - bias);
        before += QUAD * EK_SUM_BYTES;
        output += QUAD * EK_SUM_BYTES;
    }
}
