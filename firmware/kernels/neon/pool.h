/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of which 8 channels are computed at a time. Where channels are no multiple of 8, the last are those
 * before the end of a pixel, and some are computed again.
 */
#ifndef EDGEKIT_NEON_POOL_H
#define EDGEKIT_NEON_POOL_H

#include "../pool.h"
#include "vectors.h"

#define EK_NEON_CHANNELS 8

/* Of the channels that follow `channel`, the next, or the last ones of a pixel. */
EK_NEON_INLINE int32_t ek_neon_channel(int32_t channel, int32_t channels) {
    return channel + EK_NEON_CHANNELS <= channels ? channel : channels - EK_NEON_CHANNELS;
}

/* The sums of 8 channels over neighbouring columns, added to `sums`: 4 instructions a column. As many columns
 * as int16 holds sums of: 256 with those that `sums` is of. */
EK_NEON_INLINE int16x8_t ek_neon_sum(int16x8_t sums, const int8_t *element, int32_t columns,
                                     int32_t channels) {
    EK_NO_UNROLL
    for (; columns > 0; columns--) {
        sums = vaddw_s8(sums, vld1_s8(element));
        element += channels;
    }
    return sums;
}

#endif /* EDGEKIT_NEON_POOL_H */
