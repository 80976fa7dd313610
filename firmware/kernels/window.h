/* SPDX-License-Identifier: Apache-2.0 */
/* Which taps of a sliding window lie inside the input: found once a row or column, never a tap. */
#ifndef EDGEKIT_WINDOW_H
#define EDGEKIT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "loops.h"

/* Taps begin..end-1 of a window along one axis; empty where begin equals end. */
typedef struct ek_taps {
    int32_t begin;
    int32_t end;
} ek_taps;

/*
 * The taps i of 0..taps-1 whose position origin + i * dilation lies in 0..extent-1.
 * Steps instead of dividing: the window hangs over by a few taps, and small cores divide slowly.
 */
static inline ek_taps ek_taps_inside(int32_t origin, int32_t dilation, int32_t taps, int32_t extent) {
    ek_taps inside = {0, taps};
    EK_NO_UNROLL
    while (inside.begin < taps && origin + inside.begin * dilation < 0) {
        inside.begin++;
    }
    EK_NO_UNROLL
    while (inside.end > inside.begin && origin + (inside.end - 1) * dilation >= extent) {
        inside.end--;
    }
    return inside;
}

/* The taps of a window's height whose rows lie inside the input: those that are not NULL. */
static inline ek_taps ek_rows_inside(const int8_t *const *rows, int32_t taps) {
    ek_taps inside = {0, taps};
    EK_NO_UNROLL
    while (inside.begin < taps && rows[inside.begin] == NULL) {
        inside.begin++;
    }
    EK_NO_UNROLL
    while (inside.end > inside.begin && rows[inside.end - 1] == NULL) {
        inside.end--;
    }
    return inside;
}

#endif /* EDGEKIT_WINDOW_H */
