/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution, 16 channels a vector: SMULL and SMLAL form the sum of two taps in 16 bits, SADDW
 * adds it to sums of 32 bits.
 *
 * AArch64: 16 vectors of sums, 2 of weights, 2 of input, 2 of products. A pair of taps of 4 pixels is 128
 * products: 16 multiplications, 16 additions, 8 loads of input, 2 of weights, 1 of offsets: 0.36 instructions
 * a product.
 */
#include "edgekit/ek_kernels_neon.h"

#include "copies.h"
#include "stage.h"
#include "vectors.h"

/* 16 sums of 2 products each. */
EK_NEON_INLINE void add_pair(int32x4_t *sums, int8x16_t input_0, int8x16_t weights_0, int8x16_t input_1,
                             int8x16_t weights_1) {
    const int16x8_t first = vmull_s8(vget_low_s8(input_0), vget_low_s8(weights_0));
    const int16x8_t low = vmlal_s8(first, vget_low_s8(input_1), vget_low_s8(weights_1));
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_s16(sums[1], vget_high_s16(low));
    const int16x8_t second = vmull_s8(vget_high_s8(input_0), vget_high_s8(weights_0));
    const int16x8_t high = vmlal_s8(second, vget_high_s8(input_1), vget_high_s8(weights_1));
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_s16(sums[3], vget_high_s16(high));
}

/* Channels channel..channel+15 of `pixels` pixels; of the last of them `count` are stored. */
EK_NEON_INLINE void convolve_tile(const ek_neon_depthwise_conv *conv, const int8_t *input, uint32_t channel,
                                  int pixels, int8_t *output, uint32_t count) {
    const int8_t *weights = conv->weights + (size_t)2 * conv->tap_pairs * channel;
    const uint32_t *offset = conv->tap_offsets;
    int32x4_t sums[EK_NEON_TILE][4];
    EK_NEON_UNROLL
    for (int q = 0; q < 4; q++) {
        const int32x4_t bias = vld1q_s32(conv->stage.bias + channel + 4 * q);
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            sums[p][q] = bias;
        }
    }
    for (uint32_t pair = conv->tap_pairs; pair > 0; pair--) {
        const int8_t *first = input + offset[0];
        const int8_t *second = input + offset[1];
        const int8x16_t weights_0 = vld1q_s8(weights);
        const int8x16_t weights_1 = vld1q_s8(weights + 16);
        EK_NEON_UNROLL
        for (int p = 0; p < pixels; p++) {
            const size_t place = (size_t)p * conv->pixel_bytes;
            add_pair(sums[p], vld1q_s8(first + place), weights_0, vld1q_s8(second + place), weights_1);
        }
        weights += 32;
        offset += 2;
    }
    EK_NEON_UNROLL
    for (int p = 0; p < pixels; p++) {
        const int8x16_t outputs = ek_neon_outputs(&conv->stage, channel, 4, sums[p]);
        ek_neon_store(output + (size_t)p * conv->channels, outputs, count);
    }
}

static inline uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

void ek_neon_depthwise_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_neon_depthwise_conv *const conv = params;
    const int8_t *const first = ek_neon_copy_rows(&conv->copies, rows, scratch);
    const uint32_t tile_bytes = EK_NEON_TILE * conv->channels;
    for (uint32_t channel = 0; channel < conv->channels; channel += 16) {
        const int8_t *input = first + channel;
        uint32_t place = channel;
        const uint32_t count = least(16, conv->channels - channel);
        for (; place + tile_bytes - conv->channels + count <= conv->row_bytes; place += tile_bytes) {
            convolve_tile(conv, input, channel, EK_NEON_TILE, output + place, count);
            input += (size_t)EK_NEON_TILE * conv->pixel_bytes;
        }
        for (; place < conv->row_bytes; place += conv->channels) {
            convolve_tile(conv, input, channel, 1, output + place, least(count, conv->row_bytes - place));
            input += conv->pixel_bytes;
        }
    }
}
