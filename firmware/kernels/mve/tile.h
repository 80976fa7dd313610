/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the convolutions share: tiles of four output pixels by all output channels. Sums are formed in scratch
 * memory, four int32 a channel (one a pixel), and then requantized four channels by four pixels at a time.
 */
#ifndef EDGEKIT_MVE_TILE_H
#define EDGEKIT_MVE_TILE_H

#include <stdint.h>

#include "edgekit/ek_kernels_mve.h"

#define EK_MVE_PIXELS 4

/* The dot products of four pixels with every filter. dot_tile.S depends on this layout. */
typedef struct ek_mve_tile {
    const int8_t *pixels[EK_MVE_PIXELS]; /* `depth` bytes at each */
    const int8_t *weights;               /* as in ek_mve_conv_2d */
    int32_t *sums; /* [out] four for each filter, the number of these rounded up to even */
    int32_t *sums_end;
    uint32_t depth;
} ek_mve_tile;

void ek_mve_dot_tile(const ek_mve_tile *tile);

#define EK_MVE_TIES_AWAY 1u
#define EK_MVE_BYTES     2u

/* The sums of a few pixels and some groups of channels become int8. requantize.S depends on this layout. */
typedef struct ek_mve_requantization {
    const int32_t *sums;    /* aligned to 4 */
    const int32_t *factors; /* see ek_mve_stage */
    int8_t *output;         /* where the first channel of the first pixel lies */
    uint32_t groups;        /* at least 1 */
    int32_t zero_point;
    int32_t activation_min;
    int32_t activation_max;
    uint32_t flags;    /* EK_MVE_TIES_AWAY; EK_MVE_BYTES: pixels are not aligned to 4 */
    int32_t sum_scale; /* 2^sum_bits where some groups have factors for that, else 0 */
    uint32_t pixels;   /* 1..4 of those whose sums are there */
    uint32_t step;     /* bytes from a pixel to the next */
} ek_mve_requantization;

void ek_mve_requantize(const ek_mve_requantization *requantization);

/* All but sums, factors, output, groups and pixels, for an image of so many channels. */
static inline void ek_mve_prepare(ek_mve_requantization *to, const ek_mve_stage *stage, uint32_t channels) {
    to->zero_point = stage->zero_point;
    to->activation_min = stage->activation_min;
    to->activation_max = stage->activation_max;
    to->step = channels;
    to->flags = (stage->rounds_ties_away ? EK_MVE_TIES_AWAY : 0u) | (channels % 4 != 0 ? EK_MVE_BYTES : 0u);
    to->sum_scale = stage->sum_bits != 0 ? 1 << stage->sum_bits : 0;
}

/* Requantizes `channels` channels from the first on, the sums of which lie at `sums`. */
static inline void ek_mve_finish(ek_mve_requantization *to, const int32_t *sums, const int32_t *factors,
                                 int8_t *output, uint32_t channels) {
    const uint32_t odd = channels % 4;
    to->sums = sums;
    to->factors = factors;
    to->output = output;
    to->groups = channels / 4;
    if (odd != 0) {
        to->groups = 1;
        ek_mve_requantize(to);
        to->sums = sums + odd * EK_MVE_PIXELS;
        to->factors = factors + 9;
        to->output = output + odd;
        to->groups = channels / 4;
    }
    ek_mve_requantize(to);
}

#endif /* EDGEKIT_MVE_TILE_H */
