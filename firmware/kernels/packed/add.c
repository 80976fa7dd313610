/* SPDX-License-Identifier: Apache-2.0 */
/* ADD by one multiplication an operand. */
#include "edgekit/ek_kernels_packed.h"

#include "../loops.h"
#include "../requantize.h"

void ek_packed_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_linear_add *const add = params;
    const uint32_t multiplier_a = (uint32_t)add->multipliers[0];
    const uint32_t multiplier_b = (uint32_t)add->multipliers[1];
    const uint32_t offset = (uint32_t)add->offset;
    const uint32_t shift = add->shift;
    const int8_t *a = rows[0];
    const int8_t *b = rows[1];
    const int8_t *const end = a + add->size;
    (void)scratch;
    EK_NO_UNROLL
    while (a != end) {
        const uint32_t sum = (uint32_t)*a++ * multiplier_a + (uint32_t)*b++ * multiplier_b + offset;
        *output++ = ek_clamp((int32_t)sum >> shift, add->activation_min, add->activation_max);
    }
}
