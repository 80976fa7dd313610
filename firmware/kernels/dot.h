/* SPDX-License-Identifier: Apache-2.0 */
/* Dot products of one stretch of input with several rows of weights. */
#ifndef EDGEKIT_DOT_H
#define EDGEKIT_DOT_H

#include <stdint.h>

#include "edgekit/ek_flash.h"

#include "lanes.h"

/*
 * sums[l] += sum over i < count of (input[i] - zero_point) * weights[l * stride + i], modulo 2^32, for
 * the lanes l < lanes. Sums of other lanes are undefined afterwards; no weight beyond `lanes` is read.
 */
static EK_NOINLINE void ek_dot_lanes(const int8_t *input, int32_t zero_point, const EK_FLASH int8_t *weights,
                                     int32_t stride, int32_t lanes, int32_t count, uint32_t sums[EK_LANES]) {
    /* A missing lane repeats the one before it, so that the loop needs no test. */
    const EK_FLASH int8_t *w0 = weights;
    const EK_FLASH int8_t *w1 = lanes > 1 ? w0 + stride : w0;
    const EK_FLASH int8_t *w2 = lanes > 2 ? w1 + stride : w1;
    const EK_FLASH int8_t *w3 = lanes > 3 ? w2 + stride : w2;
    /* Products are within 255 * 128, so 16 bits do where int has no more. */
    const int origin = (int)zero_point;
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    const int8_t *const end = input + count;
    EK_NO_UNROLL
    while (input != end) {
        const int difference = *input++ - origin;
        s0 += (uint32_t)(difference * *w0++);
        s1 += (uint32_t)(difference * *w1++);
        s2 += (uint32_t)(difference * *w2++);
        s3 += (uint32_t)(difference * *w3++);
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

#endif /* EDGEKIT_DOT_H */
