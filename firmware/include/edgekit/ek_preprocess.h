/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a camera's frame to the model's int8 input: the very bytes that edgekit's preprocessing makes of
 * the same pixels when it trains, calibrates and verifies (docs/application.md has the contract).
 *
 *     static ek_preprocess preprocess;
 *     static uint32_t memory[EK_PREPROCESS_WORDS(320, 240, EK_PICTURE_SIDE, EK_PICTURE_CHANNELS)];
 *     const ek_frame_format format = {EK_PIXELS_RGB565_BE, EK_YUV_BT601, 320, 240};
 *     const ek_picture picture = {EK_PICTURE_SIDE, EK_PICTURE_CHANNELS, EK_PICTURE_TABLE};
 *     if (ek_preprocess_init(&preprocess, &format, &picture, memory, sizeof memory / sizeof *memory) != 0)
 *         { ... }
 *     ek_preprocess_frame(&preprocess, frame, 0, ek_model_input(0));
 *
 * The largest centred square of the frame is converted to RGB or grayscale, resized with a bilinear
 * filter that averages where it shrinks, and quantized. Integer arithmetic only, nothing is allocated,
 * and no more of the frame is needed at a time than one row: see ek_preprocess_row.
 */
#ifndef EDGEKIT_EK_PREPROCESS_H
#define EDGEKIT_EK_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the bytes of a frame hold its pixels. Rows from top to bottom, pixels from left to right. */
typedef enum ek_pixel_format {
    EK_PIXELS_RGB888 = 0,    /* R, G, B */
    EK_PIXELS_BGR888 = 1,    /* B, G, R: what esp32-camera calls RGB888 */
    EK_PIXELS_RGB565_LE = 2, /* 16 bits, R in the highest five, low byte first */
    EK_PIXELS_RGB565_BE = 3, /* the same, high byte first: RGB565 of ESP32 cameras */
    EK_PIXELS_GRAY8 = 4,     /* one byte, 0 is black */
    EK_PIXELS_YUYV = 5,      /* Y0, U, Y1, V for two pixels (YUV 4:2:2) */
    EK_PIXELS_UYVY = 6,      /* U, Y0, V, Y1 for two pixels */
    EK_PIXELS_NV12 = 7,      /* all Y; then U and V in turn, a pair for 2×2 pixels */
    EK_PIXELS_YUV420 = 8     /* all Y; then all U; then all V, one each for 2×2 pixels (I420) */
} ek_pixel_format;

/* What Y, U and V mean; of no meaning for other formats. */
typedef enum ek_yuv {
    EK_YUV_BT601 = 0,      /* Y from 16 to 235: webcams, rpicam-vid below 1280×720 */
    EK_YUV_BT601_FULL = 1, /* Y from 0 to 255: JPEG */
    EK_YUV_BT709 = 2       /* Y from 16 to 235, high definition: rpicam-vid from 1280×720 on */
} ek_yuv;

typedef struct ek_frame_format {
    ek_pixel_format pixels;
    ek_yuv yuv;
    uint16_t width; /* pixels, 2 to EK_FRAME_MAX_SIDE */
    uint16_t height;
} ek_frame_format;

#define EK_FRAME_MAX_SIDE 8192

/* What the model reads; the generated picture.h has the values. */
typedef struct ek_picture {
    uint16_t side;       /* width and height in pixels, 2 to EK_FRAME_MAX_SIDE */
    uint8_t channels;    /* 1 grayscale, 3 RGB */
    const int8_t *table; /* the int8 of each pixel value, 256 entries; NULL: pixel - 128 */
} ek_picture;

typedef enum ek_preprocess_status {
    EK_PREPROCESS_OK = 0,
    EK_PREPROCESS_ERR_FORMAT = -1, /* there is no such format */
    EK_PREPROCESS_ERR_SIZE = -2,   /* a side or a number of channels is not possible */
    EK_PREPROCESS_ERR_MEMORY = -3  /* less than EK_PREPROCESS_WORDS */
} ek_preprocess_status;

/* Words of uint32_t that ek_preprocess_init needs for frames of this size: 8 bytes for each pixel of the
 * longer of the square's side and the picture's, and 8 for each value of one row of the picture. */
#define EK_PREPROCESS_WORDS(frame_width, frame_height, side, channels)                                       \
    (2u * EK_PREPROCESS_LARGER_(EK_PREPROCESS_SMALLER_(frame_width, frame_height), side) +                   \
     2u * (side) * (channels))
#define EK_PREPROCESS_SMALLER_(a, b) ((a) < (b) ? (a) : (b))
#define EK_PREPROCESS_LARGER_(a, b)  ((a) > (b) ? (a) : (b))

/* The caller's, but for these functions only. */
typedef struct ek_preprocess {
    ek_frame_format frame;
    ek_picture picture;
    uint32_t *taps;    /* two weights for each position of the longer side */
    uint32_t *rows;    /* two rows of the picture in the making */
    uint16_t square;   /* side of the square that is cut out of the frame */
    uint16_t left;     /* its place */
    uint16_t top;      /* its place */
    uint16_t fed;      /* rows of the frame so far */
    uint16_t taken;    /* rows of the picture so far */
    uint16_t complete; /* those that can be taken, and were */
    uint16_t row_base; /* the earlier of the two rows in the making */
} ek_preprocess;

/*
 * Prepares for frames of one format. To be called once, and again for another format.
 *   preprocess    written; owned by the caller, like `memory` used until it is prepared anew
 *   format        of every frame; copied
 *   picture       what the model reads; copied, but its table (if any) must stay
 *   memory        `memory_words` words, at least EK_PREPROCESS_WORDS
 */
ek_preprocess_status ek_preprocess_init(ek_preprocess *preprocess, const ek_frame_format *format,
                                        const ek_picture *picture, uint32_t *memory, size_t memory_words);

/*
 * A whole frame.
 *   frame         its first byte; planes (NV12, YUV420) follow each other without a gap
 *   row_bytes     from one row to the next, of the Y plane where there are planes (those of U and V of
 *                 YUV420 are half as long); 0: rows follow each other without a gap
 *   output        picture.side × picture.side × picture.channels bytes, HWC: ek_model_input(0)
 */
void ek_preprocess_frame(ek_preprocess *preprocess, const uint8_t *frame, size_t row_bytes, int8_t *output);

/*
 * A frame row by row, as a camera delivers it: begin, then each row once, from the top; after each row
 * take what became complete, before the next one. Rows above and below the square may be fed, and do
 * nothing. Where the picture is smaller than the square a row of the frame completes at most one row of
 * the picture, the last row two; where it is larger, several.
 *
 *     ek_preprocess_begin(&preprocess);
 *     for (int y = 0; y < 240; ++y) {
 *         ek_preprocess_row(&preprocess, wait_for_row());
 *         while (ek_preprocess_take(&preprocess, next)) {
 *             next += EK_PICTURE_SIDE * EK_PICTURE_CHANNELS;
 *         }
 *     }
 */
void ek_preprocess_begin(ek_preprocess *preprocess);

/* The next row of a frame whose format has no planes. More rows than the frame has are ignored. */
void ek_preprocess_row(ek_preprocess *preprocess, const uint8_t *row);

/*
 * The next row of a frame with planes. `y` is its row of the Y plane; `u` and `v` are what belongs to it,
 * the same for two rows in turn. NV12: `u` is the row of pairs, `v` is not used. A picture with one
 * channel needs neither.
 */
void ek_preprocess_row_planes(ek_preprocess *preprocess, const uint8_t *y, const uint8_t *u,
                              const uint8_t *v);

/*
 * Writes the next complete row of the picture to `output` (picture.side × picture.channels bytes) and
 * returns 1, or returns 0 where none is complete yet.
 */
int ek_preprocess_take(ek_preprocess *preprocess, int8_t *output);

/* Bytes of one row of a frame without gaps; of its Y plane where there are planes. 0: no such format. */
size_t ek_frame_row_bytes(const ek_frame_format *format);

/* Bytes of a whole frame without gaps. 0: no such format. */
size_t ek_frame_bytes(const ek_frame_format *format);

/*
 * The table of a model whose input is not pixel - 128: what it calls black and white, as quantized
 * values (real / scale + zero_point) times 65536, rounded; picture.h has EK_PIXEL_Q16 for that. Values
 * between lie on a line, halves round up, and the ends of int8 are not exceeded.
 */
void ek_pixel_table(int8_t table[256], int32_t black_q16, int32_t white_q16);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_PREPROCESS_H */
