/* SPDX-License-Identifier: Apache-2.0 */
/* MAX_POOL_2D: see ek_kernels_mve.h. Sixteen channels at a time. */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#include "pool.h"

#define LANES 16

EK_INLINE void highest(const ek_pool_2d *pool, const ek_mve_pool_taps *taps, int8_t *output) {
    const int8_t *const *rows = taps->rows;
    const int8_t *tap;
    uint32_t height = taps->height;
    int8x16_t value = vdupq_n_s8(pool->activation_min);
    __asm__ volatile(
        "vctp.8 %[left]\n" EK_MVE_WALK_TAPS("vldrbt.u8", "vmax.s8") "vdup.8 q1, %[highest]\n"
                                                                    "vmin.s8 %q[value], %q[value], q1\n"
                                                                    "vpst\n"
                                                                    "vstrbt.8 %q[value], [%[output]]\n"
        : [value] "+w"(value), [rows] "+r"(rows), [height] "+r"(height), [tap] "=&l"(tap)
        : [first] "r"(taps->first), [columns] "r"(taps->columns), [channels] "r"(taps->channels),
          [left] "r"(taps->left), [highest] "r"(pool->activation_max), [output] "r"(output)
        : "lr", "q1", "cc", "memory");
}

void ek_mve_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    (void)scratch;
    ek_mve_pool_row(params, rows, output, LANES, highest);
}
