/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with columns added left and right, so that no window is clipped and vectors may end behind a row. */
#ifndef EDGEKIT_NEON_COPIES_H
#define EDGEKIT_NEON_COPIES_H

#include "edgekit/ek_kernels_neon.h"

#include "vectors.h"

/* Up to 15 bytes more than `size`. */
static inline void ek_neon_fill(int8_t *bytes, uint32_t size, int8x16_t value) {
    for (uint32_t i = 0; i < size; i += 16) {
        vst1q_s8(bytes + i, value);
    }
}

/* Where the first window begins: in `scratch`, which then holds the copies, or in rows[0]. */
static inline const int8_t *ek_neon_copy_rows(const ek_neon_copies *copies, const int8_t *const *rows,
                                              int8_t *scratch) {
    const int8x16_t value = vdupq_n_s8(copies->value);
    const uint32_t behind = copies->left_bytes + copies->row_bytes;
    int8_t *row = scratch;
    for (uint32_t r = 0; r < copies->rows; r++) {
        /* What is filled too far is written over by what comes next; behind the last are 16 bytes more. */
        ek_neon_fill(row, copies->left_bytes, value);
        memcpy(row + copies->left_bytes, rows[r], copies->row_bytes);
        ek_neon_fill(row + behind, copies->pitch_bytes - behind, value);
        row += copies->pitch_bytes;
    }
    return copies->rows != 0 ? scratch : rows[0];
}

#endif /* EDGEKIT_NEON_COPIES_H */
