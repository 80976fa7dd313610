/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution by pairs of products: SMULL and SMLAL2 form products of 8 bits in 16, the sum of two of which
 * SADALP adds to sums of 32 bits, for 4 output channels a vector. So there is nothing to add up in the end.
 *
 * AArch64: 16 vectors of sums, 4 of input, 4 of their pairs, 4 of indices, 1 or 2 of weights, 1 of products.
 * 16 input bytes by 4 pixels by 16 channels are 1,024 products: 192 SMULL, SMLAL2 and SADALP, 16 TBL, 12 to
 * 20 loads, 0.22 instructions a product.
 */
#include "edgekit/ek_kernels_neon.h"

#include "vectors.h"

/* Bytes 4 * step to 4 * step + 3 of `bytes`, as pairs for 4 channels: i0 i1 four times, then i2 i3. */
EK_NEON_INLINE int8x16_t pairs_of(int8x16_t bytes, int step) {
#if defined(__aarch64__)
    static const uint8_t places[16] = {0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3};
    return vqtbl1q_s8(bytes, vaddq_u8(vld1q_u8(places), vdupq_n_u8((uint8_t)(4 * step))));
#else
    static const int8_t places[8] = {0, 1, 0, 1, 0, 1, 0, 1};
    const int8x8_t half = step < 2 ? vget_low_s8(bytes) : vget_high_s8(bytes);
    const int8x8_t first = vadd_s8(vld1_s8(places), vdup_n_s8((int8_t)(step % 2 * 4)));
    return vcombine_s8(vtbl1_s8(half, first), vtbl1_s8(half, vadd_s8(first, vdup_n_s8(2))));
#endif
}

EK_NEON_INLINE void multiply_step(int32x4_t sums[EK_NEON_TILE][4], const int8x16_t *bytes, int step,
                                  int pixels, int quads, const int8_t *weights) {
    int8x16_t pairs[EK_NEON_TILE];
    EK_NEON_UNROLL
    for (int p = 0; p < pixels; p++) {
        pairs[p] = pairs_of(bytes[p], step);
    }
    EK_NEON_UNROLL
    for (int q = 0; q < quads; q++) {
        const int8x16_t weight = vld1q_s8(weights + 16 * q);
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            const int16x8_t first = vmull_s8(vget_low_s8(weight), vget_low_s8(pairs[p]));
            const int16x8_t both = vmlal_s8(first, vget_high_s8(weight), vget_high_s8(pairs[p]));
            sums[p][q] = vpadalq_s16(sums[p][q], both);
        }
    }
}

#include "convolve.h"

void ek_neon_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    convolve(params, rows, output, scratch);
}
