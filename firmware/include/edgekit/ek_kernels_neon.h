/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels for Advanced SIMD ("NEON"), of AArch64 and of 32-bit Arm. Results, rows and the rules about memory
 * are those of ek_kernels.h; the parameters are their own: everything that is known ahead of time is in them.
 *
 *   - The input's zero point is folded into the bias. So rows outside the input, and the columns that a
 * kernel adds left and right, hold the zero point, and no window is clipped.
 *   - Weights lie in the order in which a kernel reads them, 16 bytes a load; where there are no more
 *     channels or taps, they are 0.
 *   - No sum, shifted to the left where its factor wants it, leaves int32 (the generator has the bounds of
 *     every sum); a model where one could is run by the portable kernels.
 */
#ifndef EDGEKIT_EK_KERNELS_NEON_H
#define EDGEKIT_EK_KERNELS_NEON_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * From sums to outputs, as ek_output_stage of ek_kernels.h. Each array has an entry an output channel, then
 * zeros up to a multiple of 8 (convolutions) or 16 (depthwise convolutions).
 */
typedef struct ek_neon_stage {
    const int32_t *bias;       /* what a sum starts with */
    const int32_t *multiplier; /* 0..2^31-1 */
    const int32_t *shift;      /* -31..30; to the left where positive */
    /* 0: no shift is positive, and where the value to round is negative, it is clamped whatever becomes of
     * its ties, because zero_point = activation_min. 1: round as requantize.h says. */
    uint8_t general;
    int8_t zero_point;
    int8_t activation_min;
    int8_t activation_max;
} ek_neon_stage;

/*
 * Copies of the rows of a window, with columns to the left and right, one after the other in the scratch
 * bytes. rows = 0: there are none, the kernel reads rows[0] itself.
 */
typedef struct ek_neon_copies {
    uint32_t rows;
    uint32_t row_bytes;   /* of each row that are copied: its first ones */
    uint32_t left_bytes;  /* in front of them, that hold `value` */
    uint32_t pitch_bytes; /* from copy to copy: a multiple of 16; what lies behind a row holds `value` */
    int8_t value;
} ek_neon_copies;

typedef struct ek_neon_conv {
    ek_neon_copies copies;
    uint32_t width;       /* pixels of the output row */
    uint32_t channels;    /* of the output */
    uint32_t pixel_bytes; /* of the input, from one window to the next */
    uint32_t runs;        /* stretches of the input that a window consists of */
    uint32_t run_quads;   /* bytes of each stretch / 4, rounded up: what is behind it meets weights of 0 */
    const uint32_t *run_offsets; /* where each begins, in bytes from the window's first */
    /* For each 16 output channels (the last ones: 8, where no more are left), each run and each 4 of its
     * bytes i0..i3: 4 or 2 times 16 bytes, each for 4 output channels o0..o3: ek_neon_conv_s8      o0i0 o0i1
     * o1i0 o1i1 o2i0 o2i1 o3i0 o3i1, the same of i2 and i3. Weights of i0 and i2, of i1 and i3 are not both
     * -128. ek_neon_dot_conv_s8  o0i0 o0i1 o0i2 o0i3, the same of o1, o2, o3. */
    const int8_t *weights;
    ek_neon_stage stage;
} ek_neon_conv;

/* CONV_2D, FULLY_CONNECTED, and DEPTHWISE_CONV_2D of one input channel (params: ek_neon_conv). Scratch:
 * copies.rows * copies.pitch_bytes + 16, none for copies.rows = 0. */
void ek_neon_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The same with SDOT, which cores with the feature "dotprod" have. */
void ek_neon_dot_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

typedef struct ek_neon_depthwise_conv {
    ek_neon_copies copies; /* copies.rows >= 1 */
    uint32_t row_bytes;    /* of the output row */
    uint32_t channels;     /* from one output pixel to the next; a pixel here may be several of the image */
    uint32_t pixel_bytes;  /* of the input, from one window to the next */
    uint32_t tap_pairs;
    const uint32_t *tap_offsets; /* 2 a pair: where the taps are, in bytes from the window's first */
    const int8_t *weights;       /* for each 16 channels: 16 a tap; a pair's are not both -128 */
    ek_neon_stage stage;
} ek_neon_depthwise_conv;

/* DEPTHWISE_CONV_2D with a depth multiplier of 1 (params: ek_neon_depthwise_conv). Scratch: copies.rows *
 * copies.pitch_bytes + 16. */
void ek_neon_depthwise_conv_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* ADD (params: ek_add of ek_kernels.h, where no shift is positive and left_shift is at most 22). */
void ek_neon_add_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* AVERAGE_POOL_2D (params: ek_pool_2d of ek_kernels.h with 8 channels at least, a window of 256 elements at
 * most).
 */
void ek_neon_average_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* MAX_POOL_2D (params: ek_pool_2d with 8 channels at least). */
void ek_neon_max_pool_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* MEAN (params: ek_mean with 8 channels at least, rows of 256 columns at most, a shift that is not positive).
 */
void ek_neon_mean_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

/* The first half of a mean over an image (params: ek_accumulate with 8 channels at least, rows of 256 columns
 * at most). */
void ek_neon_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_KERNELS_NEON_H */
