/* SPDX-License-Identifier: Apache-2.0 */
/* DEPTHWISE_CONV_2D 3x3: windows inside the input run by run; those that hang over its edges are
 * copied one by one, filled up with the input's zero point. */
#include "edgekit/ek_kernels_packed.h"

#include "../loops.h"
#include "channel_run.h"

#define TAPS 3

typedef uint32_t __attribute__((may_alias)) word_of_bytes;

static EK_NOINLINE void copy_bytes(int8_t *to, const int8_t *from, int32_t count) {
    if ((((uintptr_t)to | (uintptr_t)from | (uintptr_t)count) & 3) == 0) {
        word_of_bytes *to_words = (word_of_bytes *)(void *)to;
        const word_of_bytes *from_words = (const word_of_bytes *)(const void *)from;
        EK_NO_UNROLL
        for (; count > 0; count -= 4) {
            *to_words++ = *from_words++;
        }
    }
    EK_NO_UNROLL
    for (; count > 0; count--) {
        *to++ = *from++;
    }
}

static EK_NOINLINE void fill_bytes(int8_t *to, int32_t value, int32_t count) {
    EK_NO_UNROLL
    for (; count > 0; count--) {
        *to++ = (int8_t)value;
    }
}

/* One pixel, whose window begins at column `left` and hangs over; `window` is room for 3x3 columns. */
static EK_NOINLINE void hanging_pixel(const ek_packed_depthwise_conv_2d *conv, const int8_t *const *rows,
                                      int32_t left, int8_t *window, ek_channel_run *run) {
    const int32_t channels = conv->input.channels;
    int8_t *column = window;
    for (int32_t row = 0; row < TAPS; row++) {
        run->rows[row] = column;
        for (int32_t tap = 0; tap < TAPS; tap++) {
            const int32_t x = left + tap * conv->window.dilation;
            if (x >= 0 && x < conv->input.width) {
                copy_bytes(column, rows[row] + x * channels, channels);
            } else {
                fill_bytes(column, conv->input_zero_point, channels);
            }
            column += channels;
        }
    }
    run->tap_bytes = (uint32_t)channels;
    run->first = 0;
    run->pairs_end = 0;
    run->end = run->step;
    ek_packed_channel_run(run);
}

/* `count` pixels, the first of whose windows begins at column `left`. */
static void inner_pixels(const ek_packed_depthwise_conv_2d *conv, const int8_t *const *rows, int32_t left,
                         int32_t count, ek_channel_run *run) {
    for (int32_t row = 0; row < TAPS; row++) {
        run->rows[row] = rows[row];
    }
    run->tap_bytes = (uint32_t)conv->window.dilation * conv->input.channels;
    run->first = (uint32_t)(left * conv->input.channels);
    run->pairs_end = run->first;
    if (run->tap_bytes == run->step) {
        run->pairs_end += (uint32_t)(count & ~1) * run->step;
    }
    run->end = run->first + (uint32_t)count * run->step;
    ek_packed_channel_run(run);
}

void ek_packed_depthwise_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output,
                                    void *scratch) {
    const ek_packed_depthwise_conv_2d *const conv = params;
    const int32_t channels = conv->input.channels;
    const int32_t stride = conv->window.stride;
    const int32_t inner_end = conv->inner_first + conv->inner_count;
    ek_channel_run run;
    run.channels = conv->weights;
    run.channels_end = conv->weights + channels * EK_PACKED_CHANNEL_WORDS;
    run.output_bytes = (uint32_t)channels;
    run.step = (uint32_t)(stride * channels);
    for (int32_t x = 0; x < conv->output.width; x++) {
        const int32_t left = x * stride - conv->window.pad_left;
        run.output = output + x * channels;
        if (x == conv->inner_first && conv->inner_count > 0) {
            inner_pixels(conv, rows, left, conv->inner_count, &run);
            x = inner_end - 1;
        } else {
            hanging_pixel(conv, rows, left, scratch, &run);
        }
    }
}
