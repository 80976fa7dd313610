/* SPDX-License-Identifier: Apache-2.0 */
/* ADD by one multiplication an operand: 7 instructions an element, and 5 for the loop of four. */
#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "words.h"

/* The constants, in registers. */
typedef struct constants {
    uint32_t multiplier_a;
    uint32_t multiplier_b;
    uint32_t offset;
    uint32_t shift;
} constants;

static inline int8_t sum_of(constants with, int32_t a, int32_t b) {
    const uint32_t sum = (uint32_t)a * with.multiplier_a + with.offset + (uint32_t)b * with.multiplier_b;
    return (int8_t)ek_dsp_saturate((int32_t)sum >> with.shift);
}

/* Adds `fours` times four elements. */
static EK_NOINLINE void add_fours(constants with, const int8_t *a, const int8_t *b, int8_t *to,
                                  uint32_t fours) {
    EK_NO_UNROLL
    for (; fours > 0; fours--) {
        to[0] = sum_of(with, a[0], b[0]);
        to[1] = sum_of(with, a[1], b[1]);
        to[2] = sum_of(with, a[2], b[2]);
        to[3] = sum_of(with, a[3], b[3]);
        a += 4;
        b += 4;
        to += 4;
    }
}

void ek_dsp_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_linear_add *const add = params;
    const constants with = {(uint32_t)add->multipliers[0], (uint32_t)add->multipliers[1],
                            (uint32_t)add->offset, add->shift};
    (void)scratch;
    add_fours(with, rows[0], rows[1], output, add->size / 4);
    EK_NO_UNROLL
    for (uint32_t i = add->size & ~3u; i < add->size; i++) {
        output[i] = sum_of(with, rows[0][i], rows[1][i]);
    }
    ek_dsp_clamp(output, add->size, add->activation_min, add->activation_max);
}
