/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "pool.h"

static int32_t average(const ek_pool_taps *taps, int32_t channel) {
    int32_t sum = 0;
    for (int32_t row = taps->rows_inside.begin; row < taps->rows_inside.end; row++) {
        const int8_t *tap = taps->rows[row] + (taps->first + channel);
        EK_NO_UNROLL
        for (int32_t column = taps->columns; column > 0; column--) {
            sum += *tap;
            tap += taps->channels;
        }
    }
    return ek_rounded_quotient(sum, (taps->rows_inside.end - taps->rows_inside.begin) * taps->columns);
}

void ek_average_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, average);
}
