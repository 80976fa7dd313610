/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requantization of 4 channels a vector. SQRDMULH is round_1 of requantize.h; SRSHL by a negative number
 * rounds ties up, and is round_2 once a negative number is made one less. 2 instructions a vector, 5 in
 * general, and 10 for 16 channels to add the zero point, narrow and clamp: 1.1 (2) an output, without
 * loads of the constants, which pixels share.
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

/* Sums of `pixels` pixels by 4 * quads channels from `channel` on, to outputs without zero point. */
EK_NEON_INLINE void ek_neon_scale(const ek_neon_stage *stage, uint32_t channel, int pixels, int quads,
                                  int32x4_t sums[][4]) {
    const int32_t *const multiplier = stage->multiplier + channel;
    const int32_t *const shift = stage->shift + channel;
    if (stage->general) {
        EK_NEON_UNROLL
        for (int q = 0; q < quads; q++) {
            const int32x4_t factors = vld1q_s32(multiplier + 4 * q);
            const int32x4_t shifts = vld1q_s32(shift + 4 * q);
            const int32x4_t left = vmaxq_s32(shifts, vdupq_n_s32(0));
            const int32x4_t right = vminq_s32(shifts, vdupq_n_s32(0));
            EK_NEON_UNROLL
            for (int p = 0; p < pixels; p++) {
                const int32x4_t scaled = vqrdmulhq_s32(vshlq_s32(sums[p][q], left), factors);
                sums[p][q] = ek_neon_rounding_shift(scaled, right);
            }
        }
    } else {
        EK_NEON_UNROLL
        for (int q = 0; q < quads; q++) {
            const int32x4_t factors = vld1q_s32(multiplier + 4 * q);
            const int32x4_t shifts = vld1q_s32(shift + 4 * q);
            EK_NEON_UNROLL
            for (int p = 0; p < pixels; p++) {
                sums[p][q] = vrshlq_s32(vqrdmulhq_s32(sums[p][q], factors), shifts);
            }
        }
    }
}

/* 8 outputs without zero point as int8, not yet clamped. */
EK_NEON_INLINE int8x8_t ek_neon_narrow(int32x4_t low, int32x4_t high, int16x8_t zero_point) {
    return vqmovn_s16(vqaddq_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)), zero_point));
}

/*
 * From the sums of `pixels` pixels by 4 * quads channels (8 or 16) from `channel` on, which are lost, to
 * outputs. `count` bytes of each pixel are stored, or all if it is more; pixels lie `pixel_bytes` apart.
 */
EK_NEON_INLINE void ek_neon_finish(const ek_neon_stage *stage, uint32_t channel, int pixels, int quads,
                                   int32x4_t sums[][4], int8_t *output, size_t pixel_bytes, uint32_t count) {
    const int16x8_t zero_point = vdupq_n_s16(stage->zero_point);
    const int8x16_t lowest = vdupq_n_s8(stage->activation_min);
    const int8x16_t highest = vdupq_n_s8(stage->activation_max);
    int8x16_t outputs[EK_NEON_TILE];
    ek_neon_scale(stage, channel, pixels, quads, sums);
    EK_NEON_UNROLL
    for (int p = 0; p < pixels; p++) {
        const int8x8_t low = ek_neon_narrow(sums[p][0], sums[p][1], zero_point);
        const int8x8_t high = quads == 4 ? ek_neon_narrow(sums[p][2], sums[p][3], zero_point) : low;
        outputs[p] = vminq_s8(vmaxq_s8(vcombine_s8(low, high), lowest), highest);
    }
    if (count >= 4 * (uint32_t)quads) {
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            if (quads == 4) {
                vst1q_s8(output + (size_t)p * pixel_bytes, outputs[p]);
            } else {
                vst1_s8(output + (size_t)p * pixel_bytes, vget_low_s8(outputs[p]));
            }
        }
        return;
    }
    int8_t all[16 * EK_NEON_TILE];
    EK_NEON_UNROLL
    for (int p = 0; p < pixels; p++) {
        vst1q_s8(all + 16 * p, outputs[p]);
    }
    for (int p = 0; p < pixels; p++) {
        memcpy(output + (size_t)p * pixel_bytes, all + 16 * p, count);
    }
}

#endif /* EDGEKIT_NEON_STAGE_H */
