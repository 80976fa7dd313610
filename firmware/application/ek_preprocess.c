/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizing a square of S pixels to one of N, both ways by the same weights: source x adds to output o
 * with w(x, o) = 2 L - |(2 x + 1) N - (2 o + 1) S|, L = max(S, N), where that is positive, divided by
 * the sum of w(·, o) and rounded to 22 fractional bits, halves up. Rows are resized first, to bytes, then
 * columns. That is the arithmetic of Pillow's bilinear filter, whose weights in double precision round
 * to the same.
 *
 * Each position i of the longer side meets two neighbours of the shorter one, base(i) and base(i) + 1,
 * and base grows by 0 or 1 from i to i + 1. So one table of two weights a position (the taps) serves
 * both directions and both ways: shrinking, a source adds to two outputs; growing, an output is made of
 * two sources. Two rows in the making are all that is kept.
 */
#include "edgekit/ek_preprocess.h"

#include "ek_pixels.h"

#define WEIGHT_BITS 22
#define WEIGHT_HALF (UINT32_C(1) << (WEIGHT_BITS - 1))
/* In a position's first weight: its base is one more than that of the position before. */
#define ADVANCES    UINT32_C(0x80000000)
#define WEIGHT_MASK (ADVANCES - 1)

/* Pixels that are unpacked at a time, on the stack. */
#define CHUNK 32

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* 2 L times the weight of `source` in `output` before division by the sum. Sides are at most 2^13. */
static uint32_t raw_weight(uint32_t source, uint32_t output, uint32_t source_side, uint32_t output_side) {
    const uint32_t from = (2 * source + 1) * output_side;
    const uint32_t to = (2 * output + 1) * source_side;
    const uint32_t distance = from > to ? from - to : to - from;
    const uint32_t reach = 2 * larger(source_side, output_side);
    return distance < reach ? reach - distance : 0;
}

/* The sum of raw_weight over all sources. */
static uint32_t total_weight(uint32_t output, uint32_t source_side, uint32_t output_side) {
    const uint32_t centre = (2 * output + 1) * source_side;
    const uint32_t reach = 2 * larger(source_side, output_side);
    uint32_t source = centre > reach ? (centre - reach) / (2 * output_side) : 0;
    uint32_t total = 0;
    for (; source < source_side && (2 * source + 1) * output_side < centre + reach; ++source) {
        total += raw_weight(source, output, source_side, output_side);
    }
    return total;
}

static uint32_t rounded_weight(uint32_t raw, uint32_t total) {
    return (uint32_t)((((uint64_t)raw << (WEIGHT_BITS + 1)) / total + 1) >> 1);
}

static void make_taps(uint32_t *taps, uint32_t source_side, uint32_t output_side) {
    const uint32_t longer = larger(source_side, output_side);
    const uint32_t shorter = smaller(source_side, output_side);
    const int shrinks = source_side >= output_side;
    uint32_t base = 0;
    uint32_t totals[2] = {total_weight(0, source_side, output_side),
                          total_weight(1, source_side, output_side)};
    for (uint32_t i = 0; i < longer; ++i) {
        const uint32_t centre = (2 * i + 1) * shorter;
        const uint32_t next = smaller(centre < longer ? 0 : (centre - longer) / (2 * longer), shorter - 2);
        const uint32_t advances = next > base ? ADVANCES : 0;
        base = next;
        if (!shrinks) {
            totals[0] = totals[1] = total_weight(i, source_side, output_side);
        } else if (advances != 0) {
            totals[0] = totals[1];
            totals[1] = total_weight(base + 1, source_side, output_side);
        }
        for (uint32_t k = 0; k < 2; ++k) {
            const uint32_t raw = shrinks ? raw_weight(i, base + k, source_side, output_side)
                                         : raw_weight(base + k, i, source_side, output_side);
            taps[2 * i + k] = rounded_weight(raw, totals[k]);
        }
        taps[2 * i] |= advances;
    }
}

static int is_side(uint32_t side) {
    return side >= 2 && side <= EK_FRAME_MAX_SIDE;
}

ek_preprocess_status ek_preprocess_init(ek_preprocess *preprocess, const ek_frame_format *format,
                                        const ek_picture *picture, uint32_t *memory, size_t memory_words) {
    if (ek_frame_row_bytes(format) == 0) {
        return EK_PREPROCESS_ERR_FORMAT;
    }
    if (!is_side(format->width) || !is_side(format->height) || !is_side(picture->side) ||
        (picture->channels != 1 && picture->channels != 3)) {
        return EK_PREPROCESS_ERR_SIZE;
    }
    if (memory == NULL ||
        memory_words < EK_PREPROCESS_WORDS(format->width, format->height, picture->side, picture->channels)) {
        return EK_PREPROCESS_ERR_MEMORY;
    }
    const uint32_t square = smaller(format->width, format->height);
    *preprocess = (ek_preprocess){
        .frame = *format,
        .picture = *picture,
        .taps = memory,
        .rows = memory + 2 * larger(square, picture->side),
        .square = (uint16_t)square,
        .left = (uint16_t)((format->width - square) / 2),
        .top = (uint16_t)((format->height - square) / 2),
    };
    make_taps(preprocess->taps, square, picture->side);
    ek_preprocess_begin(preprocess);
    return EK_PREPROCESS_OK;
}

static int shrinks(const ek_preprocess *preprocess) {
    return preprocess->square >= preprocess->picture.side;
}

static size_t row_values(const ek_preprocess *preprocess) {
    return (size_t)preprocess->picture.side * preprocess->picture.channels;
}

/* The row in the making with this number: sums where the picture shrinks, bytes where it grows. */
static uint32_t *sums_of(const ek_preprocess *preprocess, unsigned number) {
    return preprocess->rows + (number & 1) * row_values(preprocess);
}

static uint8_t *bytes_of(const ek_preprocess *preprocess, unsigned number) {
    return (uint8_t *)preprocess->rows + (number & 1) * row_values(preprocess);
}

void ek_preprocess_begin(ek_preprocess *preprocess) {
    preprocess->fed = 0;
    preprocess->taken = 0;
    preprocess->complete = 0;
    preprocess->row_base = 0;
    for (size_t i = 0; i < 2 * row_values(preprocess); ++i) {
        preprocess->rows[i] = 0;
    }
}

/* Where resizing one row stands: the column in the making and the next one, and where the former goes. */
typedef struct shrinking {
    const uint32_t *tap;
    uint32_t *rows[2]; /* the two rows in the making */
    uint32_t weights[2];
    uint32_t now[3];
    uint32_t next[3];
} shrinking;

static uint32_t rounded(uint32_t sum) {
    return (sum + WEIGHT_HALF) >> WEIGHT_BITS;
}

/* The column in the making is complete: adds it to both rows, and moves on. */
static void finish_column(shrinking *state, unsigned channels) {
    for (unsigned c = 0; c < channels; ++c) {
        const uint32_t value = rounded(state->now[c]);
        *state->rows[0]++ += state->weights[0] * value;
        *state->rows[1]++ += state->weights[1] * value;
        state->now[c] = state->next[c];
        state->next[c] = 0;
    }
}

static void shrink_gray(shrinking *state, const uint8_t *pixel, unsigned count) {
    const uint32_t *tap = state->tap;
    uint32_t now = state->now[0], next = state->next[0];
    for (; count > 0; --count, tap += 2) {
        const uint32_t first = tap[0];
        if ((first & ADVANCES) != 0) {
            const uint32_t value = rounded(now);
            *state->rows[0]++ += state->weights[0] * value;
            *state->rows[1]++ += state->weights[1] * value;
            now = next;
            next = 0;
        }
        const uint32_t gray = *pixel++;
        now += (first & WEIGHT_MASK) * gray;
        next += tap[1] * gray;
    }
    state->tap = tap;
    state->now[0] = now;
    state->next[0] = next;
}

/* The same for three channels. Written out, because their sums shall stay in registers: this is where a
 * frame's time goes. */
static void shrink_rgb(shrinking *state, const uint8_t *pixel, unsigned count) {
    const uint32_t *tap = state->tap;
    uint32_t r = state->now[0], g = state->now[1], b = state->now[2];
    uint32_t next_r = state->next[0], next_g = state->next[1], next_b = state->next[2];
    for (; count > 0; --count, tap += 2, pixel += 3) {
        const uint32_t first = tap[0], second = tap[1];
        if ((first & ADVANCES) != 0) {
            const uint32_t values[3] = {rounded(r), rounded(g), rounded(b)};
            uint32_t *const low = state->rows[0], *const high = state->rows[1];
            const uint32_t low_weight = state->weights[0], high_weight = state->weights[1];
            low[0] += low_weight * values[0];
            low[1] += low_weight * values[1];
            low[2] += low_weight * values[2];
            high[0] += high_weight * values[0];
            high[1] += high_weight * values[1];
            high[2] += high_weight * values[2];
            state->rows[0] = low + 3;
            state->rows[1] = high + 3;
            r = next_r;
            g = next_g;
            b = next_b;
            next_r = next_g = next_b = 0;
        }
        const uint32_t weight = first & WEIGHT_MASK;
        r += weight * pixel[0];
        next_r += second * pixel[0];
        g += weight * pixel[1];
        next_g += second * pixel[1];
        b += weight * pixel[2];
        next_b += second * pixel[2];
    }
    state->tap = tap;
    state->now[0] = r;
    state->now[1] = g;
    state->now[2] = b;
    state->next[0] = next_r;
    state->next[1] = next_g;
    state->next[2] = next_b;
}

static void shrink_row(const ek_preprocess *preprocess, const ek_source_row *row, const uint32_t weights[2]) {
    const unsigned channels = preprocess->picture.channels;
    const unsigned base = preprocess->row_base;
    shrinking state = {preprocess->taps,
                       {sums_of(preprocess, base), sums_of(preprocess, base + 1)},
                       {weights[0], weights[1]},
                       {0},
                       {0}};
    uint8_t pixels[CHUNK * 3];
    for (unsigned x = 0; x < preprocess->square; x += CHUNK) {
        const unsigned count = (unsigned)smaller(CHUNK, preprocess->square - x);
        ek_pixels_unpack(&preprocess->frame, row, preprocess->left + x, count, channels, pixels);
        if (channels == 1) {
            shrink_gray(&state, pixels, count);
        } else {
            shrink_rgb(&state, pixels, count);
        }
    }
    finish_column(&state, channels);
    finish_column(&state, channels);
}

static uint8_t blend(const uint32_t *tap, uint32_t first, uint32_t second) {
    return (uint8_t)rounded((tap[0] & WEIGHT_MASK) * first + tap[1] * second);
}

static void grow_row(const ek_preprocess *preprocess, const ek_source_row *row, uint8_t *output) {
    const unsigned channels = preprocess->picture.channels;
    const uint32_t *tap = preprocess->taps;
    const uint32_t *const end = tap + 2 * (size_t)preprocess->picture.side;
    uint8_t pixels[(CHUNK + 1) * 3]; /* the last one of the chunk before comes first */
    ek_pixels_unpack(&preprocess->frame, row, preprocess->left, 1, channels, pixels);
    for (unsigned x = 1; x < preprocess->square; x += CHUNK) {
        const unsigned count = (unsigned)smaller(CHUNK, preprocess->square - x);
        ek_pixels_unpack(&preprocess->frame, row, preprocess->left + x, count, channels, pixels + channels);
        const uint8_t *pixel = pixels;
        for (; pixel < pixels + count * channels; pixel += channels) {
            do {
                for (unsigned c = 0; c < channels; ++c) {
                    *output++ = blend(tap, pixel[c], pixel[channels + c]);
                }
                tap += 2;
            } while (tap < end && (tap[0] & ADVANCES) == 0);
        }
        for (unsigned c = 0; c < channels; ++c) {
            pixels[c] = pixel[c];
        }
    }
}

static void feed_shrinking(ek_preprocess *preprocess, const ek_source_row *row, unsigned y) {
    const uint32_t *const tap = preprocess->taps + 2 * (size_t)y;
    if ((tap[0] & ADVANCES) != 0) {
        ++preprocess->row_base;
    }
    const uint32_t weights[2] = {tap[0] & WEIGHT_MASK, tap[1]};
    shrink_row(preprocess, row, weights);
    if (y + 1 == preprocess->square) {
        preprocess->complete = preprocess->picture.side;
    } else if ((tap[2] & ADVANCES) != 0) {
        preprocess->complete = (uint16_t)(preprocess->row_base + 1);
    }
}

static void feed_growing(ek_preprocess *preprocess, const ek_source_row *row, unsigned y) {
    grow_row(preprocess, row, bytes_of(preprocess, y));
    if (y == 0) {
        return;
    }
    /* Rows y - 1 and y make every row of the picture whose base is y - 1. */
    preprocess->row_base = (uint16_t)(y - 1);
    do {
        ++preprocess->complete;
    } while (preprocess->complete < preprocess->picture.side &&
             (preprocess->taps[2 * (size_t)preprocess->complete] & ADVANCES) == 0);
}

void ek_preprocess_row_planes(ek_preprocess *preprocess, const uint8_t *y, const uint8_t *u,
                              const uint8_t *v) {
    const unsigned fed = preprocess->fed;
    if (fed == preprocess->frame.height) {
        return;
    }
    ++preprocess->fed;
    if (fed < preprocess->top || fed - preprocess->top >= preprocess->square) {
        return;
    }
    const ek_source_row row = {{y, u, v}};
    if (shrinks(preprocess)) {
        feed_shrinking(preprocess, &row, fed - preprocess->top);
    } else {
        feed_growing(preprocess, &row, fed - preprocess->top);
    }
}

void ek_preprocess_row(ek_preprocess *preprocess, const uint8_t *row) {
    ek_preprocess_row_planes(preprocess, row, NULL, NULL);
}

static int8_t quantized(const ek_preprocess *preprocess, uint8_t pixel) {
    return preprocess->picture.table != NULL ? preprocess->picture.table[pixel] : (int8_t)(pixel - 128);
}

int ek_preprocess_take(ek_preprocess *preprocess, int8_t *output) {
    const size_t values = row_values(preprocess);
    if (preprocess->taken == preprocess->complete) {
        return 0;
    }
    if (shrinks(preprocess)) {
        uint32_t *const sums = sums_of(preprocess, preprocess->taken);
        for (size_t i = 0; i < values; ++i) {
            output[i] = quantized(preprocess, (uint8_t)rounded(sums[i]));
            sums[i] = 0;
        }
    } else {
        const uint32_t *const tap = preprocess->taps + 2 * (size_t)preprocess->taken;
        const uint8_t *const first = bytes_of(preprocess, preprocess->row_base);
        const uint8_t *const second = bytes_of(preprocess, preprocess->row_base + 1u);
        for (size_t i = 0; i < values; ++i) {
            output[i] = quantized(preprocess, blend(tap, first[i], second[i]));
        }
    }
    ++preprocess->taken;
    return 1;
}

static int has_planes(ek_pixel_format pixels) {
    return pixels == EK_PIXELS_NV12 || pixels == EK_PIXELS_YUV420;
}

size_t ek_frame_row_bytes(const ek_frame_format *format) {
    const size_t width = format->width;
    if ((unsigned)format->yuv > EK_YUV_BT709) {
        return 0;
    }
    switch (format->pixels) {
    case EK_PIXELS_RGB888:
    case EK_PIXELS_BGR888:
        return 3 * width;
    case EK_PIXELS_RGB565_LE:
    case EK_PIXELS_RGB565_BE:
        return 2 * width;
    case EK_PIXELS_YUYV:
    case EK_PIXELS_UYVY:
        return (width + 1) / 2 * 4;
    case EK_PIXELS_GRAY8:
    case EK_PIXELS_NV12:
    case EK_PIXELS_YUV420:
        return width;
    default:
        return 0;
    }
}

size_t ek_frame_bytes(const ek_frame_format *format) {
    const size_t height = format->height;
    const size_t luma = ek_frame_row_bytes(format) * height;
    return has_planes(format->pixels) ? luma + (format->width + 1u) / 2 * ((height + 1) / 2) * 2 : luma;
}

void ek_preprocess_frame(ek_preprocess *preprocess, const uint8_t *frame, size_t row_bytes, int8_t *output) {
    const ek_frame_format *const format = &preprocess->frame;
    const size_t stride = row_bytes != 0 ? row_bytes : ek_frame_row_bytes(format);
    const size_t half = (stride + 1) / 2;
    const size_t u_stride = format->pixels == EK_PIXELS_NV12 ? 2 * half : half;
    const uint8_t *const u = frame + stride * format->height;
    const uint8_t *const v = u + half * ((format->height + 1u) / 2);
    ek_preprocess_begin(preprocess);
    for (size_t y = 0; y < format->height; ++y) {
        if (has_planes(format->pixels)) {
            ek_preprocess_row_planes(preprocess, frame + y * stride, u + y / 2 * u_stride, v + y / 2 * half);
        } else {
            ek_preprocess_row(preprocess, frame + y * stride);
        }
        while (ek_preprocess_take(preprocess, output)) {
            output += row_values(preprocess);
        }
    }
}

void ek_pixel_table(int8_t table[256], int32_t black_q16, int32_t white_q16) {
    const int64_t half = INT64_C(255) << 15;
    const int64_t one = INT64_C(255) << 16;
    for (int32_t pixel = 0; pixel < 256; ++pixel) {
        const int64_t numerator = (int64_t)black_q16 * (255 - pixel) + (int64_t)white_q16 * pixel + half;
        const int64_t quotient = numerator / one - (numerator % one < 0);
        table[pixel] = (int8_t)(quotient < -128 ? -128 : (quotient > 127 ? 127 : quotient));
    }
}
