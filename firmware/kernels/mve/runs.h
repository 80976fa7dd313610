/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGEKIT_MVE_RUNS_H
#define EDGEKIT_MVE_RUNS_H

#include <stdint.h>

#define EK_MVE_BYTES 16

/* Up to sixteen bytes of each row, again and again; aligned to 4. copy_runs.S depends on this layout. */
typedef struct ek_mve_runs {
    uint32_t height;
    const int8_t *const *rows;
    int32_t first;      /* byte of each row from which offsets count */
    int8_t *to;         /* of the first row */
    uint32_t row_bytes; /* from where a row goes to where the next does */
    uint32_t times;     /* at least 1 */
    uint32_t from_step; /* from a time to the next */
    uint32_t to_step;
    uint32_t lanes;         /* a bit for each byte that is copied */
    const uint8_t *offsets; /* sixteen of bytes to copy, and sixteen of where they go */
} ek_mve_runs;

void ek_mve_copy_runs(const ek_mve_runs *runs);

#endif /* EDGEKIT_MVE_RUNS_H */
