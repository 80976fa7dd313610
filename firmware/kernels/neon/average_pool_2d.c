/* SPDX-License-Identifier: Apache-2.0 */
/* AVERAGE_POOL_2D, 8 channels at a time: half an instruction a tap, 3 an output. */
#include "edgekit/ek_kernels_neon.h"

#include "../quotient.h"
#include "pool.h"

/* ek_rounded_quotient of 8 sums of up to 256 elements, whose dividends fit 16 bits. */
EK_NEON_INLINE int8x8_t rounded_quotients(int16x8_t sums, ek_divisor divisor) {
    const int16x8_t is_even = vdupq_n_s16((int16_t)(~divisor.count & 1u));
    const int16x8_t rounded =
        vsubq_s16(sums, vandq_s16(vreinterpretq_s16_u16(vcltq_s16(sums, vdupq_n_s16(0))), is_even));
    const uint16x8_t dividends =
        vaddq_u16(vreinterpretq_u16_s16(rounded), vdupq_n_u16((uint16_t)divisor.offset));
    const uint32x4_t low = vmulq_n_u32(vmovl_u16(vget_low_u16(dividends)), divisor.reciprocal);
    const uint32x4_t high = vmulq_n_u32(vmovl_u16(vget_high_u16(dividends)), divisor.reciprocal);
    /* EK_RECIPROCAL_BITS are 16 and 8. */
    const uint16x8_t upper = vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(high, 16));
    return vreinterpret_s8_u8(veor_u8(vshrn_n_u16(upper, 8), vdup_n_u8(0x80)));
}

static void average(const ek_pool_2d *pool, const ek_inside *inside, int32_t first, int32_t columns,
                    int8_t *output) {
    const ek_divisor divisor = ek_divisor_of((uint32_t)((inside->rows_end - inside->rows) * columns));
    const int8x8_t lowest = vdup_n_s8(pool->activation_min);
    const int8x8_t highest = vdup_n_s8(pool->activation_max);
    for (int32_t i = 0; i < inside->channels; i += EK_NEON_CHANNELS) {
        const int32_t channel = ek_neon_channel(i, inside->channels);
        int16x8_t sums = vdupq_n_s16(0);
        for (const int8_t *const *row = inside->rows; row != inside->rows_end; row++) {
            sums = ek_neon_sum(sums, *row + first + channel, columns, inside->channels);
        }
        vst1_s8(output + channel, vmin_s8(vmax_s8(rounded_quotients(sums, divisor), lowest), highest));
    }
}

void ek_neon_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                void *scratch) {
    (void)scratch;
    ek_pool_row(params, rows, output, average);
}
