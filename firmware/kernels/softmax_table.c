/* SPDX-License-Identifier: Apache-2.0 */
/* SOFTMAX with a table of exponentials, for rows of some classes. */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "softmax.h"

void ek_softmax_table_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                         void *scratch) {
    const EK_FLASH ek_softmax_table *const softmax = params;
    const EK_FLASH int32_t *const exponentials = softmax->exponentials;
    const int32_t differences = softmax->differences;
    const int8_t *const end = rows[0] + softmax->depth;
    int32_t highest = INT8_MIN;
    uint32_t sum = 0;
    (void)scratch;
    EK_NO_UNROLL
    for (const int8_t *input = rows[0]; input != end; input++) {
        highest = *input > highest ? *input : highest;
    }
    EK_NO_UNROLL
    for (const int8_t *input = rows[0]; input != end; input++) {
        const int32_t difference = highest - *input;
        if (difference < differences) {
            sum += ek_softmax_summand(exponentials[difference]);
        }
    }
    const ek_softmax_factor factor = ek_softmax_factor_of(sum);
    EK_NO_UNROLL
    for (const int8_t *input = rows[0]; input != end; input++) {
        const int32_t difference = highest - *input;
        *output++ = difference < differences ? ek_softmax_output(exponentials[difference], factor) : INT8_MIN;
    }
}
