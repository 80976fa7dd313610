/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD: see ek_kernels_mve.h. Two multiply-accumulates in 32 bits instead of three requantizations, 9
 * instructions for four elements; the generator proves the constants on all pairs of bytes. In assembly
 * because gcc 12 makes 23 of the same intrinsics.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

void ek_mve_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_linear_add *const add = params;
    const int8_t *a = rows[0];
    const int8_t *b = rows[1];
    const int32x4_t factor_a = vdupq_n_s32(add->multipliers[0]);
    const int32x4_t lowest = vdupq_n_s32(add->activation_min);
    const int32x4_t highest = vdupq_n_s32(add->activation_max);
    (void)scratch;
    __asm__ volatile(
        "dlstp.32 lr, %[size]\n"
        "1:\n"
        "vldrb.s32 q0, [%[a]], #4\n"
        "vldrb.s32 q1, [%[b]], #4\n"
        "vmlas.s32 q0, %q[factor_a], %[offset]\n"
        "vmla.s32 q0, q1, %[factor_b]\n"
        "vshl.s32 q0, %[shift]\n"
        "vmax.s32 q0, q0, %q[lowest]\n"
        "vmin.s32 q0, q0, %q[highest]\n"
        "vstrb.32 q0, [%[output]], #4\n"
        "letp lr, 1b\n"
        : [a] "+l"(a), [b] "+l"(b), [output] "+l"(output)
        : [size] "r"(add->size), [factor_a] "w"(factor_a), [factor_b] "r"(add->multipliers[1]),
          [offset] "r"(add->offset), [shift] "r"(-add->shift), [lowest] "w"(lowest), [highest] "w"(highest)
        : "lr", "q0", "q1", "memory");
}
