/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "pool.h"

/* The highest of `value` and the elements of a channel, which lies at `place` in the first column. Goes down
 * the columns: to step to the next column takes less than to step to the next row. */
static EK_NOINLINE int32_t highest_inside(const ek_inside *inside, int32_t place, int32_t value) {
    const int8_t *const *const rows = inside->rows;
    const int8_t *const *const rows_end = inside->rows_end;
    const int32_t channels = inside->channels;
    const int32_t end = place + inside->bytes;
    EK_NO_UNROLL
    do {
        const int8_t *const *row = rows;
        EK_NO_UNROLL
        do {
            const int32_t element = (*row++)[place];
            value = element > value ? element : value;
        } while (row != rows_end);
        place += channels;
    } while (place != end);
    return value;
}

static void maximum(const EK_FLASH ek_pool_2d *pool, const ek_inside *inside, int32_t first, int32_t columns,
                    int8_t *output) {
    (void)columns;
    EK_NO_UNROLL
    for (int32_t channel = inside->channels; channel > 0; channel--) {
        const int32_t value = highest_inside(inside, first++, pool->activation_min);
        *output++ = (int8_t)(value > pool->activation_max ? pool->activation_max : value);
    }
}

void ek_max_pool_2d_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                       void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, maximum);
}
