/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_run.h in C. With 31 registers the nine weights of a channel stay in theirs: on RV32IMC 41
 * instructions an output (4.6 a multiply-accumulate).
 */
#include "requantize.h"

EK_INLINE uint32_t product(uint32_t weight, int32_t element) {
    return weight * (uint32_t)element;
}

/* One channel: `element` is its place in a column. */
static EK_NOINLINE void run_channel(const ek_channel_run *run, const uint32_t *channel, uint32_t element) {
    const int8_t *top = run->rows[0] + run->first + element;
    const int8_t *middle = run->rows[1] + run->first + element;
    const int8_t *bottom = run->rows[2] + run->first + element;
    const int8_t *const end = top + (run->end - run->first);
    const uint32_t tap = run->tap_bytes;
    const uint32_t start = channel[0];
    const uint32_t w0 = channel[1], w1 = channel[2], w2 = channel[3];
    const uint32_t w3 = channel[4], w4 = channel[5], w5 = channel[6];
    const uint32_t w6 = channel[7], w7 = channel[8], w8 = channel[9];
    int8_t *output = run->output + element;
    EK_NO_UNROLL
    for (; top != end; top += run->step) {
        uint32_t sum = start;
        sum += product(w0, top[0]) + product(w1, top[tap]) + product(w2, top[2 * tap]);
        sum += product(w3, middle[0]) + product(w4, middle[tap]) + product(w5, middle[2 * tap]);
        sum += product(w6, bottom[0]) + product(w7, bottom[tap]) + product(w8, bottom[2 * tap]);
        *output = ek_two_factors(sum, channel + 10, 0);
        output += run->output_bytes;
        middle += run->step;
        bottom += run->step;
    }
}

void ek_packed_channel_run(const ek_channel_run *run) {
    uint32_t element = 0;
    for (const uint32_t *channel = run->channels; channel != run->channels_end;
         channel += EK_PACKED_CHANNEL_WORDS) {
        run_channel(run, channel, element++);
    }
}
