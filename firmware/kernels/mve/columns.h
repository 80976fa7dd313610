/* SPDX-License-Identifier: Apache-2.0 */
/* What the 3 x 3 convolution hands to its assembly. */
#ifndef EDGEKIT_MVE_COLUMNS_H
#define EDGEKIT_MVE_COLUMNS_H

#include <stdint.h>

#include "tile.h"

/* Four output pixels by all filters. dot_columns.S depends on this layout. */
typedef struct ek_mve_columns {
    uint32_t outputs[EK_MVE_PIXELS]; /* addresses, less 4; aligned to 4 */
    ek_mve_finish finish;
    /* [3 rows][blocks][columns][16 channels], at the first block's column 5, or 8 at stride 2; there, the
     * columns 0 2 4 6 8 come before 1 3 5 7. For ek_mve_dot_rows: pointers to column 5 of each row. */
    const void *columns;
    const uint32_t *stream; /* as in ek_mve_conv_2d_3x3_s8 */
    const uint32_t *stream_end;
    uint32_t blocks; /* of 16 channels */
} ek_mve_columns;

void ek_mve_dot_columns(const ek_mve_columns *columns);

/* The same where there is one block. */
void ek_mve_dot_rows(const ek_mve_columns *columns);

/* The same at stride 2. */
void ek_mve_dot_strided_columns(const ek_mve_columns *columns);

/* Columns of three rows to copy, at least one. copy_columns.S depends on this layout. */
typedef struct ek_mve_column_copy {
    const int8_t *const *rows;
    uint32_t step;  /* bytes from a column to the next */
    uint32_t count; /* of columns */
    uint32_t first; /* byte of each row that the first one begins with */
    int8_t *to;     /* of the first block */
    uint32_t blocks;
    uint32_t block_bytes; /* from where a block goes to where the next does */
} ek_mve_column_copy;

void ek_mve_copy_columns(const ek_mve_column_copy *copy);

#endif /* EDGEKIT_MVE_COLUMNS_H */
