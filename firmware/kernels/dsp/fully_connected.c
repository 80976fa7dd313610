/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED with DSP instructions: the inputs are expanded to 16 bits once. The products are in dot.S.
 */
#include "edgekit/ek_kernels_dsp.h"

#include "../loops.h"
#include "clamp.h"
#include "dot.h"
#include "words.h"

#define STEP 8 /* inputs */

/* Appends eight inputs. */
static inline uint32_t *expand(const int8_t *inputs, uint32_t *words) {
    for (int i = 0; i < STEP; i += 4) {
        const uint32_t quad = ek_dsp_load(inputs + i);
        *words++ = ek_dsp_even_bytes(quad);
        *words++ = ek_dsp_odd_bytes(quad);
    }
    return words;
}

static inline __attribute__((always_inline)) void fully_connected_row(const ek_dsp_fully_connected *layer,
                                                                      const int8_t *input, int8_t *output,
                                                                      uint32_t *words,
                                                                      ek_dsp_run_dots *run_dots) {
    const uint32_t depth = layer->input_depth;
    uint32_t *end = words;
    uint32_t i = 0;
    EK_NO_UNROLL
    for (; i + STEP <= depth; i += STEP) {
        end = expand(input + i, end);
    }
    if (i < depth) {
        int8_t rest[STEP] = {0};
        EK_NO_UNROLL
        for (uint32_t r = 0; i < depth; r++, i++) {
            rest[r] = input[i];
        }
        end = expand(rest, end);
    }
    run_dots(output, output + (layer->output_depth - 1), words, end, (depth + STEP - 1) / STEP % 4,
             layer->stream);
    ek_dsp_clamp(output, layer->output_depth, layer->activation_min, layer->activation_max);
}

void ek_dsp_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    fully_connected_row(params, rows[0], output, scratch, ek_dsp_dots);
}

void ek_dsp_fully_connected_exact_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                     void *scratch) {
    fully_connected_row(params, rows[0], output, scratch, ek_dsp_dots_exact);
}
