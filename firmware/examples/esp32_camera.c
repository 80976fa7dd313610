/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of one's own on an ESP32 with a camera: a line for each picture on the console, the best three
 * classes. The pins are those of an AI-Thinker ESP32-CAM (ESP32) and of an ESP32-S3-EYE (ESP32-S3): change
 * them for another board.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "edgekit/ek_preprocess.h"
#include "edgekit/ek_top_k.h"
#include "esp_attr.h"
#include "esp_camera.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "labels.h"
#include "model.h"
#include "picture.h"
#include "sdkconfig.h"

/* QVGA */
#define FRAME_WIDTH  320
#define FRAME_HEIGHT 240
#define SHOWN        3

#if CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY
static EXT_RAM_BSS_ATTR EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
#else
static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
#endif
static uint32_t memory[EK_PREPROCESS_WORDS(FRAME_WIDTH, FRAME_HEIGHT, EK_PICTURE_SIDE, EK_PICTURE_CHANNELS)];
static ek_preprocess preprocess;

static const camera_config_t camera = {
#if CONFIG_IDF_TARGET_ESP32
    .pin_pwdn = 32,
    .pin_reset = -1,
    .pin_xclk = 0,
    .pin_sccb_sda = 26,
    .pin_sccb_scl = 27,
    .pin_d7 = 35,
    .pin_d6 = 34,
    .pin_d5 = 39,
    .pin_d4 = 36,
    .pin_d3 = 21,
    .pin_d2 = 19,
    .pin_d1 = 18,
    .pin_d0 = 5,
    .pin_vsync = 25,
    .pin_href = 23,
    .pin_pclk = 22,
#else
    .pin_pwdn = -1,
    .pin_reset = -1,
    .pin_xclk = 15,
    .pin_sccb_sda = 4,
    .pin_sccb_scl = 5,
    .pin_d7 = 16,
    .pin_d6 = 17,
    .pin_d5 = 18,
    .pin_d4 = 12,
    .pin_d3 = 10,
    .pin_d2 = 8,
    .pin_d1 = 9,
    .pin_d0 = 11,
    .pin_vsync = 6,
    .pin_href = 7,
    .pin_pclk = 13,
#endif
    .xclk_freq_hz = 20000000,
    .ledc_timer = LEDC_TIMER_0,
    .ledc_channel = LEDC_CHANNEL_0,
    .pixel_format = EK_PICTURE_CHANNELS == 1 ? PIXFORMAT_GRAYSCALE : PIXFORMAT_RGB565,
    .frame_size = FRAMESIZE_QVGA,
    .fb_count = 1,
    .fb_location = CAMERA_FB_IN_PSRAM,
    .grab_mode = CAMERA_GRAB_WHEN_EMPTY,
};

static const ek_frame_format format = {
    EK_PICTURE_CHANNELS == 1 ? EK_PIXELS_GRAY8 : EK_PIXELS_RGB565_BE,
    EK_YUV_BT601,
    FRAME_WIDTH,
    FRAME_HEIGHT,
};

static int prepare(void) {
    const ek_picture picture = {EK_PICTURE_SIDE, EK_PICTURE_CHANNELS, EK_PICTURE_TABLE};
    if (ek_preprocess_init(&preprocess, &format, &picture, memory, sizeof memory / sizeof memory[0]) !=
        EK_PREPROCESS_OK) {
        printf("the frame cannot be preprocessed\n");
        return -1;
    }
    if (ek_model_init(arena, sizeof arena) != EK_OK) {
        printf("the model does not start\n");
        return -1;
    }
    const esp_err_t error = esp_camera_init(&camera);
    if (error != ESP_OK) {
        printf("the camera does not start: error 0x%x\n", (unsigned)error);
        return -1;
    }
    return 0;
}

/* Takes a picture into the model's input. Returns 0, or -1 where the camera gave none of the right size. */
static int take_picture(void) {
    camera_fb_t *const frame = esp_camera_fb_get();
    if (frame == NULL) {
        return -1;
    }
    const int usable = frame->len == ek_frame_bytes(&format);
    if (usable) {
        ek_preprocess_frame(&preprocess, frame->buf, 0, ek_model_input(0));
    }
    esp_camera_fb_return(frame);
    return usable ? 0 : -1;
}

void app_main(void) {
    if (prepare() != 0) {
        return;
    }
    for (;; vTaskDelay(1)) { /* the idle task feeds the watchdog */
        if (take_picture() != 0 || ek_model_invoke() != EK_OK) {
            printf("no picture, or the model did not run\n");
            continue;
        }
        const int8_t *const scores = ek_model_output(0);
        uint16_t top[SHOWN];
        const size_t count = ek_top_k(scores, EK_CLASS_COUNT, top, SHOWN);
        for (size_t i = 0; i < count; ++i) {
            const int percent = (scores[top[i]] + 128) * 100 / 256; /* of a softmax */
            printf("%s%s %d", i == 0 ? "" : ", ", ek_class_names[top[i]], percent);
        }
        printf("\n");
    }
}
