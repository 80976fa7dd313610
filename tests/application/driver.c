/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs jobs from standard input, each answered with the model's input: 11 words (format, yuv, width,
 * height, side, channels, row_bytes, by rows, has table, black, white), then the frame's size and bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekit/ek_preprocess.h"

enum { FORMAT, YUV, WIDTH, HEIGHT, SIDE, CHANNELS, ROW_BYTES, BY_ROWS, HAS_TABLE, BLACK, WHITE, SIZE, WORDS };

static void *allocated(size_t size_bytes) {
    void *memory = malloc(size_bytes);
    if (memory == NULL) {
        exit(3);
    }
    return memory;
}

/* Each row is handed over in a buffer of its own, so that the sanitizers see any other access. */
static int8_t *feed(ek_preprocess *preprocess, const uint8_t *row, size_t row_bytes, int8_t *output) {
    uint8_t *line = allocated(row_bytes);
    memcpy(line, row, row_bytes);
    ek_preprocess_row(preprocess, line);
    free(line);
    while (ek_preprocess_take(preprocess, output)) {
        output += (size_t)preprocess->picture.side * preprocess->picture.channels;
    }
    return output;
}

static int run(const int32_t *job, const uint8_t *frame) {
    const ek_frame_format format = {(ek_pixel_format)job[FORMAT], (ek_yuv)job[YUV], (uint16_t)job[WIDTH],
                                    (uint16_t)job[HEIGHT]};
    int8_t table[256];
    ek_pixel_table(table, job[BLACK], job[WHITE]);
    const ek_picture picture = {(uint16_t)job[SIDE], (uint8_t)job[CHANNELS], job[HAS_TABLE] ? table : NULL};
    const size_t words =
        EK_PREPROCESS_WORDS((size_t)format.width, format.height, picture.side, picture.channels);
    uint32_t *memory = allocated(words * sizeof *memory);
    memset(memory, 0xA5, words * sizeof *memory);
    const size_t output_bytes = (size_t)picture.side * picture.side * picture.channels;
    int8_t *output = allocated(output_bytes);
    ek_preprocess preprocess;
    if (ek_preprocess_init(&preprocess, &format, &picture, memory, words) != EK_PREPROCESS_OK) {
        return 1;
    }
    if (job[BY_ROWS]) {
        const size_t row_bytes = ek_frame_row_bytes(&format);
        int8_t *next = output;
        for (unsigned y = 0; y < format.height; ++y) {
            next = feed(&preprocess, frame + y * row_bytes, row_bytes, next);
        }
        if (next != output + output_bytes) {
            return 1;
        }
    } else {
        ek_preprocess_frame(&preprocess, frame, (size_t)job[ROW_BYTES], output);
    }
    fwrite(output, 1, output_bytes, stdout);
    free(memory);
    free(output);
    return 0;
}

int main(void) {
    int32_t job[WORDS];
    while (fread(job, sizeof *job, WORDS, stdin) == WORDS) {
        uint8_t *frame = allocated((size_t)job[SIZE]);
        if (fread(frame, 1, (size_t)job[SIZE], stdin) != (size_t)job[SIZE] || run(job, frame) != 0) {
            return 1;
        }
        free(frame);
    }
    return 0;
}
