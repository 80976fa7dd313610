/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of four channels, expanded, and windows that slide along them: what depthwise convolutions with
 * windows of any size are made of. */
#ifndef EDGEKIT_DSP_COLUMNS_H
#define EDGEKIT_DSP_COLUMNS_H

#include <stdint.h>

/*
 * Elements of four channels a, b, c, d in two rows of a column: (a, a'), (b, b'), (c, c'), (d, d') as int16,
 * that of the upper row in the lower half. What has no second row is (a, c), (b, d), (a, c), (b, d).
 */
typedef struct ek_dsp_pairs {
    uint32_t words[4];
} ek_dsp_pairs;

/* The columns of the rows of a window; columns.S depends on this layout. The rows are taken two at a time, an
 * odd last one alone. */
typedef struct ek_dsp_columns {
    uint32_t step;             /* bytes from column to column in the rows */
    uint32_t pitch;            /* and where they are expanded */
    const int8_t *const *rows; /* of the window, and where they end */
    const int8_t *const *end;
} ek_dsp_columns;

/* Expands `count` columns, at least one, to `to`; the channels of the first lie `first` bytes behind the
 * beginnings of the rows. */
void ek_dsp_expand_columns(ek_dsp_pairs *to, const ek_dsp_columns *columns, uint32_t first, uint32_t count);

/* Windows side by side; windows.S depends on this layout. */
typedef struct ek_dsp_windows {
    const ek_dsp_pairs *first; /* columns of the first window, all that it consists of being neighbours */
    int8_t *output;            /* of channel a of the first pixel */
    uint32_t channel_1;        /* from it to that of b: the depth multiplier */
    uint32_t channel_3;        /* and to that of d */
    uint32_t window_step;      /* bytes from window to window */
    uint32_t output_step;      /* and from pixel to pixel */
    const ek_dsp_pairs *end;   /* where the window behind the last would begin */
    const uint32_t *stream;    /* ek_dsp_depthwise_windows.stream: the biases of these output channels, */
    const uint32_t *constants; /* and what makes int8 of their sums */
    uint32_t entry;            /* ek_dsp_depthwise_windows.entry */
} ek_dsp_windows;

/* Four output channels of the windows. */
typedef void ek_dsp_run_windows(const ek_dsp_windows *windows);

ek_dsp_run_windows ek_dsp_slide;       /* for ek_dsp_depthwise_windows_s8 */
ek_dsp_run_windows ek_dsp_slide_exact; /* for ek_dsp_depthwise_windows_exact_s8 */

#endif /* EDGEKIT_DSP_COLUMNS_H */
