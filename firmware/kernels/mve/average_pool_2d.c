/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVERAGE_POOL_2D: see ek_kernels_mve.h. Eight channels at a time are summed up in 16 bits, and divided by
 * the elements of the window that lie inside the input: by a multiplication (quotient.h).
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#include "pool.h"

#define LANES 8

/* sum / divisor rounded to nearest, ties away from zero: the quotient of the magnitudes, with the sum's sign.
 */
static inline int16x8_t rounded_quotients(int16x8_t sums, ek_mve_divisor divisor) {
    uint16x8_t value = vreinterpretq_u16_s16(vabsq_s16(sums)); /* that of -2^15 has 16 bits, too */
    value = vmulhq_u16(vaddq_n_u16(value, divisor.half), vdupq_n_u16(divisor.factor));
    const int16x8_t quotients = vreinterpretq_s16_u16(vshlq_r_u16(value, -divisor.shift));
    return vnegq_m_s16(quotients, quotients, vcmpltq_n_s16(sums, 0));
}

EK_INLINE void average(const ek_pool_2d *pool, const ek_mve_pool_taps *taps, int8_t *output) {
    const int8_t *const *rows = taps->rows;
    const int8_t *tap;
    uint32_t height = taps->height;
    int16x8_t value = vdupq_n_s16(0);
    __asm__("vctp.16 %[left]\n" EK_MVE_WALK_TAPS("vldrbt.s16", "vadd.i16")
            : [value] "+w"(value), [rows] "+r"(rows), [height] "+r"(height), [tap] "=&l"(tap)
            : [first] "r"(taps->first), [columns] "r"(taps->columns), [channels] "r"(taps->channels),
              [left] "r"(taps->left)
            : "lr", "q1", "cc", "memory");
    value = rounded_quotients(value, taps->divisor);
    value = vmaxq_s16(value, vdupq_n_s16(pool->activation_min));
    value = vminq_s16(value, vdupq_n_s16(pool->activation_max));
    vstrbq_p_s16(output, value, vctp16q(taps->left));
}

void ek_mve_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_mve_pool_row(params, rows, output, LANES, average);
}
