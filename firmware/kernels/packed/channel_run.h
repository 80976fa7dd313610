/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise 3x3 convolution of a run of pixels, channel by channel. */
#ifndef EDGEKIT_PACKED_CHANNEL_RUN_H
#define EDGEKIT_PACKED_CHANNEL_RUN_H

#include <stdint.h>

#include "edgekit/ek_kernels_packed.h"

/* The windows of the run's pixels begin in the three rows at the bytes first, first + step, … before end. */
typedef struct ek_channel_run {
    const uint32_t *channels; /* see ek_packed_depthwise_conv_2d */
    const uint32_t *channels_end;
    const int8_t *rows[3];
    uint32_t tap_bytes;    /* between neighbouring taps of a row */
    uint32_t output_bytes; /* between neighbouring pixels of the output */
    uint32_t step;
    uint32_t end;
    uint32_t pairs_end; /* up to there pixels may run two at a time; only where step equals tap_bytes */
    uint32_t first;
    int8_t *output;
} ek_channel_run;

void ek_packed_channel_run(const ek_channel_run *run);

#if !defined(__thumb__) || defined(__thumb2__) /* else it is in channel_run.S */
#include "channel_run_c.h"
#endif

#endif /* EDGEKIT_PACKED_CHANNEL_RUN_H */
