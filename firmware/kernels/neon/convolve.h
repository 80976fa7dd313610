/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution as a product of matrices: EK_NEON_TILE pixels by 16 channels at a time, 4 input bytes a step.
 *
 * Who includes this defines the products of a step,
 *
 *     static inline void multiply_step(int32x4_t sums[EK_NEON_TILE][4], const int8x16_t *bytes, int step,
 *                                      int pixels, int quads, const int8_t *weights)
 *
 * which adds to the sums those of bytes 4 * step to 4 * step + 3 of each pixel's 16 with quads * 16 weights.
 */
#ifndef EDGEKIT_NEON_CONVOLVE_H
#define EDGEKIT_NEON_CONVOLVE_H

#include "edgekit/ek_kernels_neon.h"

#include "copies.h"
#include "stage.h"
#include "vectors.h"

/* `pixels` pixels by 4 * quads channels from `channel` on. */
EK_NEON_INLINE void convolve_tile(const ek_neon_conv *conv, const int8_t *input, const int8_t *weights,
                                  uint32_t channel, int pixels, int quads, int8_t *output) {
    int32x4_t sums[EK_NEON_TILE][4];
    EK_NEON_UNROLL
    for (int q = 0; q < quads; q++) {
        const int32x4_t bias = vld1q_s32(conv->stage.bias + channel + 4 * q);
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            sums[p][q] = bias;
        }
    }
    const size_t pixel_bytes = conv->pixel_bytes;
    for (uint32_t run = 0; run < conv->runs; run++) {
        const int8_t *bytes = input + conv->run_offsets[run];
        uint32_t left = conv->run_quads;
        for (; left >= 4; left -= 4) {
            int8x16_t sixteen[EK_NEON_TILE];
            EK_NEON_UNROLL
            for (int p = 0; p < pixels; p++) {
                sixteen[p] = vld1q_s8(bytes + (size_t)p * pixel_bytes);
            }
            EK_NEON_UNROLL
            for (int step = 0; step < 4; step++) {
                multiply_step(sums, sixteen, step, pixels, quads, weights);
                weights += 16 * quads;
            }
            bytes += 16;
        }
        for (; left > 0; left--) {
            int8x16_t four[EK_NEON_TILE];
            EK_NEON_UNROLL
            for (int p = 0; p < pixels; p++) {
                four[p] = ek_neon_load_4(bytes + (size_t)p * pixel_bytes);
            }
            multiply_step(sums, four, 0, pixels, quads, weights);
            weights += 16 * quads;
            bytes += 4;
        }
    }
    ek_neon_finish(&conv->stage, channel, pixels, quads, sums, output, conv->channels,
                   conv->channels - channel);
}

/* A row of 4 * quads channels. */
EK_NEON_INLINE void convolve_row(const ek_neon_conv *conv, const int8_t *input, const int8_t *weights,
                                 uint32_t channel, int quads, int8_t *output) {
    uint32_t left = conv->width;
    for (; left >= EK_NEON_TILE; left -= EK_NEON_TILE) {
        convolve_tile(conv, input, weights, channel, EK_NEON_TILE, quads, output);
        input += (size_t)EK_NEON_TILE * conv->pixel_bytes;
        output += (size_t)EK_NEON_TILE * conv->channels;
    }
    for (; left > 0; left--) {
        convolve_tile(conv, input, weights, channel, 1, quads, output);
        input += conv->pixel_bytes;
        output += conv->channels;
    }
}

EK_NEON_INLINE void convolve(const ek_neon_conv *conv, const int8_t *const *rows, int8_t *output,
                             int8_t *scratch) {
    const int8_t *const input = ek_neon_copy_rows(&conv->copies, rows, scratch);
    const size_t quads_in = (size_t)conv->runs * conv->run_quads;
    const int8_t *weights = conv->weights;
    for (uint32_t channel = 0; channel < conv->channels; channel += 16) {
        if (conv->channels - channel > 8) {
            convolve_row(conv, input, weights, channel, 4, output + channel);
        } else {
            convolve_row(conv, input, weights, channel, 2, output + channel);
        }
        weights += 64 * quads_in;
    }
}

#endif /* EDGEKIT_NEON_CONVOLVE_H */
