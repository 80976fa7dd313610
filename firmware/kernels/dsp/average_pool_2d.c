/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVERAGE_POOL_2D with DSP instructions: two channels a word are added up, 6 instructions for the four
 * elements of a tap, and 19 make their averages.
 *
 * A sum s of n elements divided by n is (s * multiplier >> 16) + offset, both with FRACTION_BITS behind the
 * point: the multiplier is at most 1 too large, by which the product is at most 1 off, the offset a half and
 * BIAS. Where n is even, ties of negative numbers go downwards by a sum that is one less. Other results are
 * at least 2^FRACTION_BITS / (2 * n) = 32 away from an edge, so BIAS moves none over one.
 */
#include "edgekit/ek_kernels_dsp.h"

#include "pool.h"

#define FRACTION_BITS 14
#define BIAS          8

/* An average from a sum's product. */
static inline uint32_t byte_of(int32_t scaled) {
    return (uint32_t)(scaled >> FRACTION_BITS) & 0xffu;
}

/* What divides by a number of elements. */
typedef struct divisor {
    int32_t multiplier;
    int32_t offset;
    uint32_t has_ties; /* 1 in each half where ties must go downwards */
} divisor;

static inline uint32_t averages_of(uint32_t even, uint32_t odd, divisor by) {
    even = ek_dsp_subtract_halves(even, even >> 15 & by.has_ties);
    odd = ek_dsp_subtract_halves(odd, odd >> 15 & by.has_ties);
    return byte_of(ek_dsp_multiply_lower(by.multiplier, even, by.offset)) |
           byte_of(ek_dsp_multiply_lower(by.multiplier, odd, by.offset)) << 8 |
           byte_of(ek_dsp_multiply_upper(by.multiplier, even, by.offset)) << 16 |
           byte_of(ek_dsp_multiply_upper(by.multiplier, odd, by.offset)) << 24;
}

static EK_NOINLINE void averages(const ek_dsp_taps *taps, int8_t *output) {
    const uint32_t channels = taps->channels;
    const uint32_t columns = taps->columns;
    const int8_t *const *const end = taps->end;
    const uint32_t count = columns * (uint32_t)(end - taps->rows);
    const divisor by = {(int32_t)((1u << (16 + FRACTION_BITS)) / count + 1),
                        (1 << (FRACTION_BITS - 1)) + BIAS, count % 2 == 0 ? 0x10001u : 0};
    EK_NO_UNROLL
    for (uint32_t channel = 0; channel < channels; channel += 4) {
        const int8_t *const *row = taps->rows;
        uint32_t even = 0;
        uint32_t odd = 0;
        do {
            const int8_t *tap = *row++ + taps->first + channel;
            EK_NO_UNROLL
            for (uint32_t left = columns; left > 0; left--) {
                const uint32_t quad = ek_dsp_load(tap);
                even = ek_dsp_add_even_bytes(even, quad);
                odd = ek_dsp_add_odd_bytes(odd, quad);
                tap += channels;
            }
        } while (row != end);
        ek_dsp_store(output + channel, averages_of(even, odd, by));
    }
}

void ek_dsp_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_dsp_pool_row(params, rows, output, averages);
}
