/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution by SDOT: 4 products for each of 4 output channels an instruction.
 *
 * 16 vectors of sums, 4 of input, 4 of weights. 16 input bytes by 4 pixels by 16 channels are 1,024 products:
 * 64 SDOT, 12 to 20 loads, 0.08 instructions a product.
 */
#include "edgekit/ek_kernels_neon.h"

#include "vectors.h"

EK_NEON_INLINE void multiply_step(int32x4_t sums[EK_NEON_TILE][4], const int8x16_t *bytes, int step,
                                  int pixels, int quads, const int8_t *weights) {
    EK_NEON_UNROLL
    for (int q = 0; q < quads; q++) {
        const int8x16_t weight = vld1q_s8(weights + 16 * q);
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            /* The lane must be a constant before any loop is unrolled. */
            switch (step) {
            case 0:
                sums[p][q] = vdotq_laneq_s32(sums[p][q], weight, bytes[p], 0);
                break;
            case 1:
                sums[p][q] = vdotq_laneq_s32(sums[p][q], weight, bytes[p], 1);
                break;
            case 2:
                sums[p][q] = vdotq_laneq_s32(sums[p][q], weight, bytes[p], 2);
                break;
            default:
                sums[p][q] = vdotq_laneq_s32(sums[p][q], weight, bytes[p], 3);
            }
        }
    }
}

#include "convolve.h"

void ek_neon_dot_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    convolve(params, rows, output, scratch);
}
