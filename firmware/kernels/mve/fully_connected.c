/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FULLY_CONNECTED: see ek_kernels_mve.h. Four outputs at a time share the loads of the input: 10 instructions
 * for 64 products, 0.16 each, in a tail-predicated loop that reads no byte behind a row of weights.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>

#define OUTPUTS 4

/* The dot products of `depth` elements of the input with four rows of weights. */
static inline int32x4_t dot_rows(const int8_t *input, const int8_t *const weights[OUTPUTS], uint32_t depth) {
    const int8_t *w0 = weights[0], *w1 = weights[1], *w2 = weights[2], *w3 = weights[3];
    int32x4_t sums;
    /* VMLADAV adds to even registers only. */
    __asm__ volatile("movs r0, #0\n"
                     "movs r2, #0\n"
                     "movs r4, #0\n"
                     "movs r6, #0\n"
                     "dlstp.8 lr, %[depth]\n"
                     "1:\n"
                     "vldrb.u8 q1, [%[input]], #16\n"
                     "vldrb.u8 q2, [%[w0]], #16\n"
                     "vmladava.s8 r0, q1, q2\n"
                     "vldrb.u8 q3, [%[w1]], #16\n"
                     "vmladava.s8 r2, q1, q3\n"
                     "vldrb.u8 q2, [%[w2]], #16\n"
                     "vmladava.s8 r4, q1, q2\n"
                     "vldrb.u8 q3, [%[w3]], #16\n"
                     "vmladava.s8 r6, q1, q3\n"
                     "letp lr, 1b\n"
                     "vmov %q[sums][2], %q[sums][0], r0, r4\n"
                     "vmov %q[sums][3], %q[sums][1], r2, r6\n"
                     : [sums] "=&w"(sums), [input] "+&r"(input), [w0] "+&r"(w0), [w1] "+&r"(w1),
                       [w2] "+&r"(w2), [w3] "+&r"(w3)
                     : [depth] "r"(depth)
                     : "r0", "r2", "r4", "r6", "lr", "q1", "q2", "q3", "cc", "memory");
    return sums;
}

void ek_mve_fully_connected_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_mve_fully_connected *const connected = params;
    const uint32_t depth = connected->input_depth;
    const int8_t *weights = connected->weights;
    (void)scratch;
    for (uint32_t o = 0; o < connected->output_depth; o += OUTPUTS) {
        const uint32_t left = connected->output_depth - o;
        const mve_pred16_t exists = vctp32q(left);
        const int8_t *filters[OUTPUTS];
        for (uint32_t i = 0; i < OUTPUTS; i++) {
            filters[i] = weights;
            weights += i + 1 < left ? depth : 0; /* a missing output repeats the last */
        }
        int32x4_t value = dot_rows(rows[0], filters, depth);
        int32x4_t shift;
        value = vaddq_s32(value, vldrwq_z_s32(connected->bias + o, exists));
        if (connected->per_channel) {
            value = vqrdmulhq_s32(value, vldrwq_z_s32(connected->multiplier + o, exists));
            shift = vldrbq_z_s32(connected->shift + o, exists);
        } else {
            value = vqrdmulhq_n_s32(value, connected->multiplier[0]);
            shift = vdupq_n_s32(connected->shift[0]);
        }
        /* VRSHL rounds ties up; one less for a negative value moves them away from zero, except without
         * shift. */
        const mve_pred16_t shifts = vcmpltq_n_s32(shift, 0);
        value = vaddq_m_s32(value, value, vshrq_n_s32(value, 31), shifts);
        value = vrshlq_s32(value, shift);
        value = vaddq_n_s32(value, connected->zero_point);
        value = vmaxq_s32(value, vdupq_n_s32(connected->activation_min));
        value = vminq_s32(value, vdupq_n_s32(connected->activation_max));
        vstrbq_p_s32(output + o, value, exists);
    }
}
