/* SPDX-License-Identifier: Apache-2.0 */
/* The clamp of an activation, where it is narrower than int8: seldom, as scales are chosen to use it all. */
#ifndef EDGEKIT_DSP_CLAMP_H
#define EDGEKIT_DSP_CLAMP_H

#include <stdint.h>

#include "../loops.h"

/* Clamps `count` bytes to lowest..highest. */
static inline void ek_dsp_clamp(int8_t *bytes, uint32_t count, int8_t lowest, int8_t highest) {
    if (lowest > INT8_MIN || highest < INT8_MAX) {
        EK_NO_UNROLL
        for (uint32_t i = 0; i < count; i++) {
            const int8_t byte = bytes[i] < lowest ? lowest : bytes[i];
            bytes[i] = byte > highest ? highest : byte;
        }
    }
}

#endif /* EDGEKIT_DSP_CLAMP_H */
