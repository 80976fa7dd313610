/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernels for AArch64 and for 32-bit Arm have in common, and where the two differ. */
#ifndef EDGEKIT_NEON_VECTORS_H
#define EDGEKIT_NEON_VECTORS_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Pixels that are computed together, and share the loads of weights. Each takes 4 vectors for its sums: of
 * the 32 vector registers of AArch64 16, of the 16 of 32-bit Arm 8. */
#if defined(__aarch64__)
#define EK_NEON_TILE 4
#else
#define EK_NEON_TILE 2
#endif

/* Loops over the vectors of a tile are no loops in the end: their vectors are registers. */
#define EK_NEON_UNROLL _Pragma("GCC unroll 16")
#define EK_NEON_INLINE static inline __attribute__((always_inline))

/* The 4 bytes at `bytes`, four times. */
EK_NEON_INLINE int8x16_t ek_neon_load_4(const int8_t *bytes) {
    int32_t word;
    memcpy(&word, bytes, sizeof word);
    return vreinterpretq_s8_s32(vdupq_n_s32(word));
}

#endif /* EDGEKIT_NEON_VECTORS_H */
