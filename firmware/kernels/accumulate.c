/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of a mean over an image: the specification is in ek_kernels.h. */
#include <stddef.h>

#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"
#include "sums.h"

void ek_accumulate_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_accumulate *const accumulate = params;
    const int32_t channels = accumulate->input.channels;
    const int8_t *const before = rows[1];
    (void)scratch;
    for (int32_t channel = 0; channel < channels; channel++) {
        const int8_t *input = rows[0] + channel;
        int32_t sum = before != NULL ? ek_get_sum(before, channel) : 0;
        EK_NO_UNROLL
        for (int32_t column = accumulate->input.width; column > 0; column--) {
            sum = ek_wrapping_add(sum, *input);
            input += channels;
        }
        ek_put_sum(output, channel, sum);
    }
}
