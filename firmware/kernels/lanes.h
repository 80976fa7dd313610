/* SPDX-License-Identifier: Apache-2.0 */
/* Output channels are computed a few at a time ("lanes"), so that an input byte is loaded once for all. */
#ifndef EDGEKIT_LANES_H
#define EDGEKIT_LANES_H

#include <stdint.h>

#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"

#define EK_LANES 4

/*
 * Writes the values of output channels channel..channel+lanes-1 to output[0..lanes-1], from their sums
 * without bias: see ek_output_stage.
 */
static EK_NOINLINE void ek_output_lanes(const EK_FLASH ek_output_stage *stage, int32_t channel, int32_t lanes,
                                        const uint32_t *sums, int8_t *output) {
    const EK_FLASH int32_t *const bias = stage->bias + channel;
    /* Without an entry a channel, every lane takes the first. */
    const int32_t entry_mask = stage->per_channel ? -1 : 0;
    const EK_FLASH int32_t *const multiplier = stage->multiplier + (channel & entry_mask);
    const EK_FLASH int8_t *const shift = stage->shift + (channel & entry_mask);
    const int32_t zero_point = stage->zero_point;
    const int32_t lowest = stage->activation_min;
    const int32_t highest = stage->activation_max;
    EK_NO_UNROLL
    for (int32_t lane = 0; lane < lanes; lane++) {
        const int32_t entry = lane & entry_mask;
        const int32_t biased = (int32_t)(sums[lane] + (uint32_t)bias[lane]);
        const int32_t scaled = ek_requantize(biased, multiplier[entry], shift[entry]);
        output[lane] = ek_clamp(ek_wrapping_add(scaled, zero_point), lowest, highest);
    }
}

#endif /* EDGEKIT_LANES_H */
