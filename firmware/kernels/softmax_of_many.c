/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOFTMAX with a table of exponentials, for rows of hundreds of classes: there are 256 values, so elements
 * are counted by value, and everything that follows from a value is computed once for all of them. Two short
 * loops are left, to count and to look up.
 *
 * Values are told as uint8_t, modulo 256: what lies below the least one wraps around to those above the
 * highest, of which there are none.
 */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "softmax.h"

#define VALUES 256

typedef struct by_value {
    union {
        uint16_t counts[VALUES];
        uint32_t counts_words[VALUES / 2];
    };
    union {
        int8_t outputs[VALUES];
        uint32_t outputs_words[VALUES / 4];
    };
} by_value;

_Static_assert(sizeof(by_value) == EK_SOFTMAX_OF_MANY_SCRATCH_BYTES, "what the header says");

/* Values are many to begin with, so this goes by words. */
static EK_NOINLINE void fill(uint32_t *words, uint32_t value, int32_t count) {
    EK_NO_UNROLL
    for (; count > 0; count--) {
        *words++ = value;
    }
}

/* Counts the elements of a row by value, and returns the highest. */
static EK_NOINLINE int32_t count_values(const int8_t *input, uint32_t depth, uint16_t *counts) {
    EK_NO_UNROLL
    for (const int8_t *const end = input + depth; input != end; input++) {
        counts[(uint8_t)*input]++;
    }
    int32_t highest = INT8_MAX;
    while (counts[(uint8_t)highest] == 0) {
        highest--;
    }
    return highest;
}

/* The outputs of all values that a row with this highest one may have. */
static EK_NOINLINE void find_outputs(const EK_FLASH ek_softmax_table *softmax, int32_t highest,
                                     by_value *by_value) {
    uint32_t sum = 0;
    EK_NO_UNROLL
    for (int32_t i = 0; i < softmax->differences; i++) {
        sum += by_value->counts[(uint8_t)(highest - i)] * ek_softmax_summand(softmax->exponentials[i]);
    }
    const ek_softmax_factor factor = ek_softmax_factor_of(sum);
    fill(by_value->outputs_words, 0x80808080u, VALUES / 4); /* INT8_MIN */
    /* Exponentials fall, so behind the first probability of 0 all are 0. */
    EK_NO_UNROLL
    for (int32_t i = 0; i < softmax->differences; i++) {
        const int8_t output = ek_softmax_output(softmax->exponentials[i], factor);
        if (output == INT8_MIN) {
            break;
        }
        by_value->outputs[(uint8_t)(highest - i)] = output;
    }
}

void ek_softmax_of_many_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch) {
    const EK_FLASH ek_softmax_table *const softmax = params;
    by_value *const by_value = scratch;
    const int8_t *input = rows[0];
    fill(by_value->counts_words, 0, VALUES / 2);
    find_outputs(softmax, count_values(input, softmax->depth, by_value->counts), by_value);
    EK_NO_UNROLL
    for (const int8_t *const end = input + softmax->depth; input != end; input++) {
        *output++ = by_value->outputs[(uint8_t)*input];
    }
}
