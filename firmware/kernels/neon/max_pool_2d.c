/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D, 8 channels at a time: half an instruction a tap. */
#include "edgekit/ek_kernels_neon.h"

#include "pool.h"

static void maximum(const ek_pool_2d *pool, const ek_inside *inside, int32_t first, int32_t columns,
                    int8_t *output) {
    const int8x8_t lowest = vdup_n_s8(pool->activation_min);
    const int8x8_t highest = vdup_n_s8(pool->activation_max);
    for (int32_t i = 0; i < inside->channels; i += EK_NEON_CHANNELS) {
        const int32_t channel = ek_neon_channel(i, inside->channels);
        int8x8_t value = lowest;
        for (const int8_t *const *row = inside->rows; row != inside->rows_end; row++) {
            const int8_t *element = *row + first + channel;
            EK_NO_UNROLL
            for (int32_t column = columns; column > 0; column--) {
                value = vmax_s8(value, vld1_s8(element));
                element += inside->channels;
            }
        }
        vst1_s8(output + channel, vmin_s8(value, highest));
    }
}

void ek_neon_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, maximum);
}
