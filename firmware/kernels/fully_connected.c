/* SPDX-License-Identifier: Apache-2.0 */
/* FULLY_CONNECTED: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "dot.h"

/* What the weights' zero point adds to every sum: -weights_zero_point * sum of (input - input_zero_point). */
static inline uint32_t weights_offset(const EK_FLASH ek_fully_connected *params, const int8_t *input) {
    const int32_t factor = -params->weights_zero_point;
    uint32_t offset = 0;
    if (factor != 0) {
        EK_NO_UNROLL
        for (uint32_t i = 0; i < params->input_depth; i++) {
            offset += (uint32_t)(factor * (input[i] - params->input_zero_point));
        }
    }
    return offset;
}

void ek_fully_connected_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch) {
    const EK_FLASH ek_fully_connected *const layer = params;
    const int8_t *const input = rows[0];
    const int32_t input_depth = (int32_t)layer->input_depth;
    const int32_t output_depth = (int32_t)layer->output_depth;
    const uint32_t offset = weights_offset(layer, input);
    (void)scratch;
    for (int32_t o = 0; o < output_depth; o += EK_LANES) {
        const int32_t lanes = output_depth - o < EK_LANES ? output_depth - o : EK_LANES;
        uint32_t sums[EK_LANES] = {offset, offset, offset, offset};
        ek_dot_lanes(input, layer->input_zero_point, layer->weights + o * input_depth, input_depth, lanes,
                     input_depth, sums);
        ek_output_lanes(&layer->stage, o, lanes, sums, output + o);
    }
}
