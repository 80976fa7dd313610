/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of MEAN: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "requantize.h"
#include "sums.h"

void ek_mean_of_sums_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                        void *scratch) {
    const EK_FLASH ek_mean_of_sums *const mean = params;
    (void)scratch;
    for (int32_t channel = 0; channel < mean->channels; channel++) {
        const int32_t sum = ek_wrapping_add(ek_get_sum(rows[0], channel), mean->offset);
        const int32_t value = ek_requantize(sum, mean->multiplier, mean->shift);
        output[channel] = ek_clamp(ek_wrapping_add(value, mean->output_zero_point), INT8_MIN, INT8_MAX);
    }
}
