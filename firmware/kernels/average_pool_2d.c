/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "pool.h"
#include "quotient.h"
#include "requantize.h"

/* The sum of a channel, which lies at `place` in the first column. Goes down the columns: to step to the next
 * column takes less than to step to the next row. */
static EK_NOINLINE int32_t sum_inside(const ek_inside *inside, int32_t place) {
    const int8_t *const *const rows = inside->rows;
    const int8_t *const *const rows_end = inside->rows_end;
    const int32_t channels = inside->channels;
    const int32_t end = place + inside->bytes;
    int32_t sum = 0;
    EK_NO_UNROLL
    do {
        const int8_t *const *row = rows;
        EK_NO_UNROLL
        do {
            sum += (*row++)[place];
        } while (row != rows_end);
        place += channels;
    } while (place != end);
    return sum;
}

static void average(const EK_FLASH ek_pool_2d *pool, const ek_inside *inside, int32_t first, int32_t columns,
                    int8_t *output) {
    const ek_divisor divisor = ek_divisor_of((uint32_t)((inside->rows_end - inside->rows) * columns));
    EK_NO_UNROLL
    for (int32_t channel = inside->channels; channel > 0; channel--) {
        const int32_t value = ek_rounded_quotient(sum_inside(inside, first++), divisor);
        *output++ = ek_clamp(value, pool->activation_min, pool->activation_max);
    }
}

void ek_average_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                           void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, average);
}
