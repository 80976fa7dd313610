/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of one's own on a board without room for a frame: rows are preprocessed as they come, and one
 * row is all that is ever held; of the picture, too, where the model was built with --stream-input. Here
 * they come through the serial port: the letter F, then 120 rows of 160 pixels RGB565 (high byte first); the
 * answer is a line of text, such as "star 98". With a camera, its line interrupt or DMA stands where read_row
 * is.
 */
#include <stddef.h>
#include <stdint.h>

#include "edgekit/ek_port.h"
#include "edgekit/ek_preprocess.h"
#include "edgekit/ek_top_k.h"
#include "labels.h"
#include "model.h"
#include "picture.h"

#define FRAME_WIDTH  160
#define FRAME_HEIGHT 120
#define ROW_BYTES    (2 * FRAME_WIDTH)

static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
static uint32_t memory[EK_PREPROCESS_WORDS(FRAME_WIDTH, FRAME_HEIGHT, EK_PICTURE_SIDE, EK_PICTURE_CHANNELS)];
static ek_preprocess preprocess;
static uint8_t line[ROW_BYTES];

/* Returns 0, or -1 where the port was closed. */
static int read_row(void) {
    for (size_t i = 0; i < ROW_BYTES; ++i) {
        const int byte = ek_port_read_byte();
        if (byte < 0) {
            return -1;
        }
        line[i] = (uint8_t)byte;
    }
    return 0;
}

static void write_text(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    ek_port_write((const uint8_t *)text, length);
}

static void write_number(unsigned number) {
    char digits[12];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    write_text(digits + at);
}

/* Reads one frame, and hands the rows of its picture over to the model. Returns 0, or -1 where the port was
 * closed or the model failed. */
static int read_frame(void) {
    int byte;
    do {
        byte = ek_port_read_byte();
        if (byte < 0) {
            return -1;
        }
    } while (byte != 'F');
    ek_preprocess_begin(&preprocess);
    for (int y = 0; y < FRAME_HEIGHT; ++y) {
        if (read_row() != 0) {
            return -1;
        }
        ek_preprocess_row(&preprocess, line);
        while (ek_preprocess_take(&preprocess, ek_model_next_row())) {
            if (ek_model_row_done() != EK_OK) {
                return -1;
            }
        }
    }
    return 0;
}

int main(void) {
    const ek_frame_format format = {EK_PIXELS_RGB565_BE, EK_YUV_BT601, FRAME_WIDTH, FRAME_HEIGHT};
    const ek_picture picture = {EK_PICTURE_SIDE, EK_PICTURE_CHANNELS, EK_PICTURE_TABLE};
    ek_port_init();
    if (ek_preprocess_init(&preprocess, &format, &picture, memory, sizeof memory / sizeof memory[0]) !=
            EK_PREPROCESS_OK ||
        ek_model_init(arena, sizeof arena) != EK_OK) {
        write_text("not ready\n");
        return 1;
    }
    while (read_frame() == 0 && ek_model_invoke() == EK_OK) {
        const int8_t *const scores = ek_model_output(0);
        uint16_t best;
        (void)ek_top_k(scores, EK_CLASS_COUNT, &best, 1);
        write_text(ek_class_names[best]);
        write_text(" ");
        write_number((unsigned)(scores[best] + 128) * 100 / 256); /* per cent, of a softmax */
        write_text("\n");
        ek_port_flush();
    }
    return 1;
}
