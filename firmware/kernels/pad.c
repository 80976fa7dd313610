/* SPDX-License-Identifier: Apache-2.0 */
/* PAD: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

static int8_t *fill(int8_t *output, uint32_t size, int8_t value) {
    for (int8_t *const end = output + size; output != end;) {
        *output++ = value;
    }
    return output;
}

static int8_t *copy(int8_t *output, uint32_t size, const int8_t *input) {
    for (int8_t *const end = output + size; output != end;) {
        *output++ = *input++;
    }
    return output;
}

void ek_pad_s8(const ek_pad *params, const int8_t *input, int8_t *output) {
    const uint32_t *const extent = params->input;
    const uint32_t *const before = params->before;
    const uint32_t *const after = params->after;
    const int8_t value = params->value;
    /* Output bytes of one step along the first, second and third axis. */
    const uint32_t row = before[3] + extent[3] + after[3];
    const uint32_t plane = (before[2] + extent[2] + after[2]) * row;
    const uint32_t volume = (before[1] + extent[1] + after[1]) * plane;

    output = fill(output, before[0] * volume, value);
    for (uint32_t i = 0; i < extent[0]; i++) {
        output = fill(output, before[1] * plane, value);
        for (uint32_t j = 0; j < extent[1]; j++) {
            output = fill(output, before[2] * row, value);
            for (uint32_t k = 0; k < extent[2]; k++) {
                output = fill(output, before[3], value);
                output = copy(output, extent[3], input);
                output = fill(output, after[3], value);
                input += extent[3];
            }
            output = fill(output, after[2] * row, value);
        }
        output = fill(output, after[1] * plane, value);
    }
    fill(output, after[0] * volume, value);
}
