/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of a mean over an image: see ek_kernels_mve.h. Eight channels at a time, in 32 bits: 6
 * instructions a column, in assembly because compilers make twice as many of it. The rest goes by fours.
 *
 * Sums are int32 in rows of bytes, and are loaded and stored as such.
 */
#include "edgekit/ek_kernels_mve.h"

#include <arm_mve.h>
#include <stddef.h>

#define LANES 4

/* Adds the elements of `columns` columns, `channels` bytes apart, to the sums of the first eight channels. */
static inline int32x4x2_t add_columns(int32x4x2_t sums, const int8_t *first, uint32_t channels,
                                      uint32_t columns) {
    __asm__("dls lr, %[columns]\n"
            "1:\n"
            "vldrb.s32 q0, [%[first]]\n"
            "vldrb.s32 q1, [%[first], #4]\n"
            "vadd.i32 %q[low], %q[low], q0\n"
            "vadd.i32 %q[high], %q[high], q1\n"
            "add %[first], %[first], %[channels]\n"
            "le lr, 1b\n"
            : [low] "+w"(sums.val[0]), [high] "+w"(sums.val[1]), [first] "+l"(first)
            : [channels] "r"(channels), [columns] "r"(columns)
            : "lr", "q0", "q1", "memory");
    return sums;
}

/* Those of `before` that exist; where there are none, 0. */
static inline int32x4_t sums_before(const int8_t *before, uint32_t channel, mve_pred16_t exists) {
    const int8x16_t none = vdupq_n_s8(0);
    return vreinterpretq_s32_s8(before != NULL ? vldrbq_z_s8(before + 4 * channel, exists) : none);
}

void ek_mve_accumulate_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_accumulate *const accumulate = params;
    const uint32_t channels = accumulate->input.channels;
    const uint32_t columns = accumulate->input.width;
    const int8_t *before = rows[1];
    const mve_pred16_t all = 0xffff;
    uint32_t channel = 0;
    (void)scratch;
    for (; channel + 2 * LANES <= channels; channel += 2 * LANES) {
        int32x4x2_t sums;
        sums.val[0] = sums_before(before, channel, all);
        sums.val[1] = sums_before(before, channel + LANES, all);
        sums = add_columns(sums, rows[0] + channel, channels, columns);
        vstrbq_s8(output + 4 * channel, vreinterpretq_s8_s32(sums.val[0]));
        vstrbq_s8(output + 4 * (channel + LANES), vreinterpretq_s8_s32(sums.val[1]));
    }
    for (; channel < channels; channel += LANES) {
        const mve_pred16_t exists = vctp32q(channels - channel);
        const int8_t *element = rows[0] + channel;
        int32x4_t sums = sums_before(before, channel, exists);
        for (uint32_t column = columns; column > 0; column--) {
            sums = vaddq_s32(sums, vldrbq_z_s32(element, exists));
            element += channels;
        }
        vstrbq_p_s8(output + 4 * channel, vreinterpretq_s8_s32(sums), exists);
    }
}
