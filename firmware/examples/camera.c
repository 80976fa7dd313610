/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of one's own on Linux: raw frames come on standard input, a line for each goes to standard
 * output: the best three classes. From the camera of a Raspberry Pi:
 *
 *     rpicam-vid -n -t 0 --codec yuv420 --width 640 --height 480 -o - | build/camera 640 480
 *
 * and from a USB camera:
 *
 *     v4l2-ctl --set-fmt-video=width=640,height=480,pixelformat=YUYV --stream-mmap --stream-to=- |
 *         build/camera 640 480 yuyv
 *
 * Widths that are multiples of 64 come without gaps between the rows.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekit/ek_preprocess.h"
#include "edgekit/ek_top_k.h"
#include "labels.h"
#include "model.h"
#include "picture.h"

#define SHOWN 3

static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];

static const struct {
    const char *name;
    ek_frame_format format;
} formats[] = {
    {"yuv420", {EK_PIXELS_YUV420, EK_YUV_BT601, 0, 0}}, {"nv12", {EK_PIXELS_NV12, EK_YUV_BT601, 0, 0}},
    {"yuyv", {EK_PIXELS_YUYV, EK_YUV_BT601, 0, 0}},     {"rgb", {EK_PIXELS_RGB888, EK_YUV_BT601, 0, 0}},
    {"bgr", {EK_PIXELS_BGR888, EK_YUV_BT601, 0, 0}},    {"gray", {EK_PIXELS_GRAY8, EK_YUV_BT601, 0, 0}},
};

/* Reads WIDTH HEIGHT [FORMAT]. Returns 0, or -1 where they make no sense. */
static int read_arguments(int argc, char **argv, ek_frame_format *format) {
    if (argc != 3 && argc != 4) {
        return -1;
    }
    const long width = strtol(argv[1], NULL, 10), height = strtol(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
        if (strcmp(argc == 4 ? argv[3] : "yuv420", formats[i].name) == 0) {
            *format = formats[i].format;
            format->width = (uint16_t)(width < 0 || width > UINT16_MAX ? 0 : width);
            format->height = (uint16_t)(height < 0 || height > UINT16_MAX ? 0 : height);
            if (format->pixels == EK_PIXELS_YUV420 && (width >= 1280 || height >= 720)) {
                format->yuv = EK_YUV_BT709; /* as rpicam-vid has it */
            }
            return 0;
        }
    }
    return -1;
}

static void *allocated(size_t size_bytes) {
    void *const memory = malloc(size_bytes);
    if (memory == NULL) {
        fprintf(stderr, "there is no memory for a frame\n");
        exit(1);
    }
    return memory;
}

static void show(const int8_t *scores) {
    const ek_tensor_info *const info = &ek_model_get_info()->outputs[0];
    uint16_t top[SHOWN];
    const size_t count = ek_top_k(scores, EK_CLASS_COUNT, top, SHOWN);
    for (size_t i = 0; i < count; ++i) {
        const double value = (double)info->scale * (scores[top[i]] - info->zero_point);
        printf("%s%s %.3f", i == 0 ? "" : ", ", ek_class_names[top[i]], value);
    }
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    ek_frame_format format;
    if (read_arguments(argc, argv, &format) != 0) {
        fprintf(stderr, "usage: %s WIDTH HEIGHT [yuv420|nv12|yuyv|rgb|bgr|gray] < frames\n", argv[0]);
        return 2;
    }
    const ek_picture picture = {EK_PICTURE_SIDE, EK_PICTURE_CHANNELS, EK_PICTURE_TABLE};
    const size_t words =
        EK_PREPROCESS_WORDS((size_t)format.width, format.height, EK_PICTURE_SIDE, EK_PICTURE_CHANNELS);
    uint32_t *const memory = allocated(words * sizeof *memory);
    ek_preprocess preprocess;
    if (ek_preprocess_init(&preprocess, &format, &picture, memory, words) != EK_PREPROCESS_OK) {
        fprintf(stderr, "frames of %s×%s pixels cannot be used\n", argv[1], argv[2]);
        return 2;
    }
    if (ek_model_init(arena, sizeof arena) != EK_OK) {
        fprintf(stderr, "the model does not start\n");
        return 1;
    }
    const size_t frame_bytes = ek_frame_bytes(&format);
    uint8_t *const frame = allocated(frame_bytes);
    while (fread(frame, 1, frame_bytes, stdin) == frame_bytes) {
        ek_preprocess_frame(&preprocess, frame, 0, ek_model_input(0));
        if (ek_model_invoke() != EK_OK) {
            fprintf(stderr, "the model did not run\n");
            return 1;
        }
        show(ek_model_output(0));
    }
    return 0;
}
