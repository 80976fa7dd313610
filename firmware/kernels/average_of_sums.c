/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of AVERAGE_POOL_2D over an image: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "quotient.h"
#include "requantize.h"
#include "sums.h"

void ek_average_of_sums_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch) {
    const EK_FLASH ek_average_of_sums *const average = params;
    const ek_divisor divisor = ek_divisor_of((uint32_t)average->count);
    (void)scratch;
    EK_NO_UNROLL
    for (int32_t channel = 0; channel < average->channels; channel++) {
        const int32_t value = ek_rounded_quotient(ek_get_sum(rows[0], channel), divisor);
        output[channel] = ek_clamp(value, average->activation_min, average->activation_max);
    }
}
