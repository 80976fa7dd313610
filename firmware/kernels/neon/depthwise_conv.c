/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise convolution, 16 channels a vector of input: SMULL and SMLAL form the sum of two taps in 16 bits,
 * SADDW adds it to sums of 32 bits.
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

/* Channels channel..channel+15 of `pixels` pixels; `count` of each are stored. */
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
    ek_neon_finish(&conv->stage, channel, pixels, 4, sums, output, conv->channels, count);
}

/* Where a row of the output has got to. */
typedef struct progress {
    const int8_t *input;
    uint32_t place; /* of the next output, in bytes */
} progress;

/* As many tiles of `pixels` pixels as the rest of the row holds. */
EK_NEON_INLINE progress convolve_tiles(const ek_neon_depthwise_conv *conv, progress now, uint32_t channel,
                                       int pixels, int8_t *output, uint32_t count) {
    const uint32_t tile_bytes = (uint32_t)pixels * conv->channels;
    const uint32_t needed = tile_bytes - conv->channels + count;
    for (; now.place + needed <= conv->row_bytes; now.place += tile_bytes) {
        convolve_tile(conv, now.input, channel, pixels, output + now.place, count);
        now.input += (size_t)pixels * conv->pixel_bytes;
    }
    return now;
}

void ek_neon_depthwise_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_neon_depthwise_conv *const conv = params;
    const int8_t *const first = ek_neon_copy_rows(&conv->copies, rows, scratch);
    for (uint32_t channel = 0; channel < conv->channels; channel += 16) {
        const uint32_t left = conv->channels - channel;
        const uint32_t count = left < 16 ? left : 16;
        progress now = {first + channel, channel};
        now = convolve_tiles(conv, now, channel, EK_NEON_TILE, output, count);
#if EK_NEON_TILE > 2
        now = convolve_tiles(conv, now, channel, 2, output, count);
#endif
        now = convolve_tiles(conv, now, channel, 1, output, count);
        if (now.place < conv->row_bytes) { /* a pixel that is several of the image, some of which are left */
            convolve_tile(conv, now.input, channel, 1, output + now.place, conv->row_bytes - now.place);
        }
    }
}
