/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "pool.h"

static int32_t highest(const ek_pool_taps *taps, int32_t channel) {
    int32_t value = INT8_MIN;
    for (int32_t row = taps->rows_inside.begin; row < taps->rows_inside.end; row++) {
        const int8_t *tap = taps->rows[row] + (taps->first + channel);
        EK_NO_UNROLL
        for (int32_t column = taps->columns; column > 0; column--) {
            value = *tap > value ? *tap : value;
            tap += taps->channels;
        }
    }
    return value;
}

void ek_max_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                       void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, highest);
}
