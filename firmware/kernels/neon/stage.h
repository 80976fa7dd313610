/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requantization of 4 channels a vector. SQRDMULH is round_1 of requantize.h; SRSHL by a negative number
 * rounds ties up, and is round_2 once a negative number is made one less. 2 instructions a vector, 7 in
 * general, and 11 for 16 channels to add the zero point, narrow and clamp: 1.2 (2.4) an output.
 */
#ifndef EDGEKIT_NEON_STAGE_H
#define EDGEKIT_NEON_STAGE_H

#include "edgekit/ek_kernels_neon.h"

#include "vectors.h"

/* round_2(x / 2^-shift), ties away from zero; shift of -31 to 0, x > -2^31. */
EK_NEON_INLINE int32x4_t ek_neon_rounding_shift(int32x4_t x, int32x4_t shift) {
    /* The sign of x where there is a shift: at 0 there is no tie to move. */
    return vrshlq_s32(vsraq_n_s32(x, vandq_s32(x, shift), 31), shift);
}

/* Sums of 4 * quads channels from `channel` on to outputs without zero point. */
EK_NEON_INLINE void ek_neon_scale(const ek_neon_stage *stage, uint32_t channel, int quads, int32x4_t *sums) {
    const int32_t *const multiplier = stage->multiplier + channel;
    const int32_t *const shift = stage->shift + channel;
    const int32x4_t zero = vdupq_n_s32(0);
    if (stage->general) {
        EK_NEON_UNROLL
        for (int q = 0; q < quads; q++) {
            const int32x4_t shifts = vld1q_s32(shift + 4 * q);
            const int32x4_t shifted = vshlq_s32(sums[q], vmaxq_s32(shifts, zero));
            const int32x4_t scaled = vqrdmulhq_s32(shifted, vld1q_s32(multiplier + 4 * q));
            sums[q] = ek_neon_rounding_shift(scaled, vminq_s32(shifts, zero));
        }
    } else {
        EK_NEON_UNROLL
        for (int q = 0; q < quads; q++) {
            const int32x4_t scaled = vqrdmulhq_s32(sums[q], vld1q_s32(multiplier + 4 * q));
            sums[q] = vrshlq_s32(scaled, vld1q_s32(shift + 4 * q));
        }
    }
}

/* 8 outputs without zero point as int8, not yet clamped. */
EK_NEON_INLINE int8x8_t ek_neon_narrow(int32x4_t low, int32x4_t high, int8_t zero_point) {
    const int16x8_t both = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
    return vqmovn_s16(vqaddq_s16(both, vdupq_n_s16(zero_point)));
}

/* Outputs of 4 * quads channels (8 or 16; of 8 twice the same) from their sums, which are lost. */
EK_NEON_INLINE int8x16_t ek_neon_outputs(const ek_neon_stage *stage, uint32_t channel, int quads,
                                         int32x4_t *sums) {
    ek_neon_scale(stage, channel, quads, sums);
    const int8x8_t low = ek_neon_narrow(sums[0], sums[1], stage->zero_point);
    const int8x8_t high = quads == 4 ? ek_neon_narrow(sums[2], sums[3], stage->zero_point) : low;
    const int8x16_t raised = vmaxq_s8(vcombine_s8(low, high), vdupq_n_s8(stage->activation_min));
    return vminq_s8(raised, vdupq_n_s8(stage->activation_max));
}

#endif /* EDGEKIT_NEON_STAGE_H */
