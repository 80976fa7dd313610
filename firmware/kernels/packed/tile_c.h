/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tile of tile.h in C. On RV32IMC a quad takes 37 instructions (2.3 a multiply-accumulate), its sums and
 * addresses 15 registers.
 */
#include "requantize.h"

#define POSITIVE 32768

/* Other cores than RISC-V have registers for the sums of a loop only if it is a function of its own. */
#if defined(__riscv)
#define LOOP EK_INLINE
#else
#define LOOP static EK_NOINLINE
#endif

/* What the lower of two sums in a word has carried into the upper one is there in both: see tile.h. */
typedef struct pair_sums {
    uint32_t total;
    uint32_t high;
} pair_sums;

EK_INLINE void add_products(pair_sums *sums, uint32_t products) {
    const uint32_t positive = products + POSITIVE;
    sums->total += positive;
    sums->high += (uint32_t)((int32_t)positive >> 16);
}

/* Adds the products of the quads up to `end`; `words` are those of the first one's pixels. */
EK_INLINE void add_run(pair_sums sums[2], const uint32_t *quads, const uint32_t *end, const uint32_t *words,
                       int pairs) {
    pair_sums first = sums[0];
    pair_sums second = sums[1];
    EK_NO_UNROLL
    for (; quads != end; quads++) {
        const int8_t *const quad = (const int8_t *)quads; /* little-endian: the lowest byte comes first */
        const uint32_t w0 = (uint32_t)quad[0];
        const uint32_t w1 = (uint32_t)quad[1];
        const uint32_t w2 = (uint32_t)quad[2];
        const uint32_t w3 = (uint32_t)quad[3];
        add_products(&first, words[0] * w0 + words[2] * w1 + words[4] * w2 + words[6] * w3);
        if (pairs > 1) {
            add_products(&second, words[1] * w0 + words[3] * w1 + words[5] * w2 + words[7] * w3);
        }
        words += 8;
    }
    sums[0] = first;
    sums[1] = second;
}

LOOP void add_run_of_pair(pair_sums sums[2], const uint32_t *quads, const uint32_t *end,
                          const uint32_t *words) {
    add_run(sums, quads, end, words, 1);
}

LOOP void add_run_of_pairs(pair_sums sums[2], const uint32_t *quads, const uint32_t *end,
                           const uint32_t *words) {
    add_run(sums, quads, end, words, 2);
}

/* Adds the products of the couples up to `end` for both pairs of pixels, whose words are `words`. */
LOOP void add_couples(pair_sums sums[2], const uint32_t *couples, const uint32_t *end,
                      const uint32_t *words) {
    pair_sums first = sums[0];
    pair_sums second = sums[1];
    EK_NO_UNROLL
    for (; couples != end; couples += 2) {
        const uint32_t *const x0 = words + (couples[0] & 0xffff) / 4;
        const uint32_t *const x1 = words + (couples[1] & 0xffff) / 4;
        const uint32_t w0 = (uint32_t)((int32_t)couples[0] >> 24);
        const uint32_t w1 = (uint32_t)((int32_t)couples[1] >> 24);
        add_products(&first, x0[0] * w0 + x1[0] * w1);
        add_products(&second, x0[1] * w0 + x1[1] * w1);
    }
    sums[0] = first;
    sums[1] = second;
}

EK_INLINE void run_filters(const ek_tile *tile, int is_signed, int pairs) {
    const uint32_t *stream = tile->stream;
    int8_t *output = tile->output;
    while (stream != tile->stream_end) {
        pair_sums sums[2] = {{stream[0], stream[1]}, {stream[0], stream[1]}};
        const uint32_t *const all_words = (const uint32_t *)tile->words;
        uint32_t run;
        for (stream += 2; (run = *stream++) >> 16 != 0; stream += run >> 18) {
            const uint32_t *const words = all_words + (run & 0xffff) / 4;
            if (pairs > 1) {
                add_run_of_pairs(sums, stream, stream + (run >> 18), words);
            } else {
                add_run_of_pair(sums, stream, stream + (run >> 18), words);
            }
        }
        if (run != 0) {
            add_couples(sums, stream, stream + run / 4, all_words);
            stream += run / 4;
        }
        output[0] = ek_two_factors(sums[0].total - (sums[0].high << 16), stream, is_signed);
        output[tile->offset[0]] = ek_two_factors(sums[0].high, stream, is_signed);
        if (pairs > 1) {
            output[tile->offset[1]] = ek_two_factors(sums[1].total - (sums[1].high << 16), stream, is_signed);
            output[tile->offset[2]] = ek_two_factors(sums[1].high, stream, is_signed);
        }
        stream += is_signed ? 6 : 4;
        output++;
    }
}

void ek_packed_tile(const ek_tile *tile) {
    run_filters(tile, 0, 2);
}

void ek_packed_pair(const ek_tile *tile) {
    run_filters(tile, 0, 1);
}

void ek_packed_tile_signed(const ek_tile *tile) {
    run_filters(tile, 1, 2);
}

void ek_packed_pair_signed(const ek_tile *tile) {
    run_filters(tile, 1, 1);
}
