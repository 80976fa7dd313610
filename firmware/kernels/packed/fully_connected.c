/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED: inputs become words once, then four outputs at a time. */
#include "edgekit/ek_kernels_packed.h"

#include "../loops.h"
#include "dots.h"
#include "requantize.h"

#define QUAD  4
#define LANES 4

/* Element `index` of the inputs; behind the last one it is of no matter, as weights are 0 there. */
static inline uint32_t element(const int8_t *inputs, uint32_t index, uint32_t depth) {
    return (uint32_t)(int32_t)inputs[index < depth ? index : depth - 1];
}

static EK_NOINLINE void make_quads(const int8_t *inputs, uint32_t depth, ek_input_quad *quad) {
    EK_NO_UNROLL
    for (uint32_t i = 0; i < depth; i += QUAD) {
        const uint32_t x_even = element(inputs, i + 2, depth) + (element(inputs, i, depth) << 16);
        const uint32_t x_odd = element(inputs, i + 3, depth) + (element(inputs, i + 1, depth) << 16);
        quad->start = 32768 - 0x00800080u * (x_even + x_odd);
        quad->x_even = x_even;
        quad->x_rest = x_odd - (x_even << 8);
        quad++;
    }
}

void ek_packed_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                  void *scratch) {
    const ek_packed_fully_connected *const layer = params;
    const int8_t *const output_end = output + layer->output_depth;
    const uint32_t *constants = layer->constants;
    ek_dots dots = {layer->weights, scratch, {0}};
    make_quads(rows[0], layer->input_depth, scratch);
    while (output != output_end) {
        ek_packed_dots(&dots);
        EK_NO_UNROLL
        for (int lane = 0; lane < LANES && output != output_end; lane++) {
            *output++ = ek_two_factors(dots.sums[lane], constants, layer->is_signed);
            constants += layer->constants_words;
        }
    }
}
