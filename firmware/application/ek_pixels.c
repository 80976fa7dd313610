/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function a family of formats: 8-bit colours, 16-bit colours, grayscale, and YUV of any layout.
 * YUV becomes RGB by the equations of ITU-R BT.601-7 section 2.5 and BT.709-6 section 3 with 16
 * fractional bits, halves rounded up; with Y from 0 to 255 (JFIF 1.02) as JPEG decoders do it.
 */
#include "ek_pixels.h"

#define FRACTION_BITS 16
#define HALF          (INT32_C(1) << (FRACTION_BITS - 1))

typedef struct yuv_constants {
    int32_t y_of_black;
    int32_t y_gain;
    int32_t v_to_r;
    int32_t u_to_g;
    int32_t v_to_g;
    int32_t u_to_b;
} yuv_constants;

/* In the order of ek_yuv. A gain is 65536 × 255 / 219 or 255 / 224 × the matrix's coefficient. */
static const yuv_constants yuv_table[] = {
    {16, 76309, 104597, 25675, 53279, 132201},
    {0, 65536, 91881, 22554, 46802, 116130},
    {16, 76309, 117489, 13975, 34925, 138438},
};

static uint8_t clamp_to_byte(int32_t value) {
    return value < 0 ? 0 : (value > 255 ? 255 : (uint8_t)value);
}

static uint8_t luma(unsigned r, unsigned g, unsigned b) {
    return (uint8_t)((UINT32_C(19595) * r + UINT32_C(38470) * g + UINT32_C(7471) * b + HALF) >>
                     FRACTION_BITS);
}

/* Writes one pixel and returns where the next one goes. */
static uint8_t *put_rgb(uint8_t *pixel, unsigned channels, unsigned r, unsigned g, unsigned b) {
    if (channels == 1) {
        *pixel = luma(r, g, b);
        return pixel + 1;
    }
    pixel[0] = (uint8_t)r;
    pixel[1] = (uint8_t)g;
    pixel[2] = (uint8_t)b;
    return pixel + 3;
}

static uint8_t *put_gray(uint8_t *pixel, unsigned channels, uint8_t gray) {
    for (unsigned c = 0; c < channels; ++c) {
        *pixel++ = gray;
    }
    return pixel;
}

static void unpack_rgb888(const uint8_t *source, unsigned red, unsigned count, unsigned channels,
                          uint8_t *pixels) {
    for (; count > 0; --count, source += 3) {
        pixels = put_rgb(pixels, channels, source[red], source[1], source[2 - red]);
    }
}

/* Five and six bits become eight by repeating their highest, so that black and white stay what they are. */
static void unpack_rgb565(const uint8_t *source, unsigned high, unsigned count, unsigned channels,
                          uint8_t *pixels) {
    for (; count > 0; --count, source += 2) {
        const unsigned word = (unsigned)source[high] << 8 | source[1 - high];
        const unsigned r = word >> 11;
        const unsigned g = word >> 5 & 63;
        const unsigned b = word & 31;
        pixels = put_rgb(pixels, channels, r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2);
    }
}

static void unpack_gray(const uint8_t *source, unsigned count, unsigned channels, uint8_t *pixels) {
    for (; count > 0; --count) {
        pixels = put_gray(pixels, channels, *source++);
    }
}

/* Where a YUV format keeps its values: Y of pixel x at y[x * y_step], U at u[x / 2 * uv_step]. */
typedef struct yuv_layout {
    const uint8_t *y;
    const uint8_t *u;
    const uint8_t *v;
    unsigned y_step;
    unsigned uv_step;
} yuv_layout;

static yuv_layout yuv_layout_of(ek_pixel_format pixels, const ek_source_row *row) {
    const uint8_t *const y = row->planes[0];
    const uint8_t *const u = row->planes[1];
    switch (pixels) {
    case EK_PIXELS_YUYV:
        return (yuv_layout){y, y + 1, y + 3, 2, 4};
    case EK_PIXELS_UYVY:
        return (yuv_layout){y + 1, y, y + 2, 2, 4};
    case EK_PIXELS_NV12:
        return (yuv_layout){y, u, u != NULL ? u + 1 : NULL, 1, 2};
    default:
        return (yuv_layout){y, u, row->planes[2], 1, 1};
    }
}

static void unpack_yuv(const yuv_layout *layout, const yuv_constants *constants, unsigned first,
                       unsigned count, unsigned channels, uint8_t *pixels) {
    for (unsigned x = first; x < first + count; ++x) {
        const int32_t y = constants->y_gain * (layout->y[x * layout->y_step] - constants->y_of_black) + HALF;
        if (channels == 1) {
            *pixels++ = clamp_to_byte(y >> FRACTION_BITS);
            continue;
        }
        const int32_t u = layout->u[x / 2 * layout->uv_step] - 128;
        const int32_t v = layout->v[x / 2 * layout->uv_step] - 128;
        *pixels++ = clamp_to_byte((y + constants->v_to_r * v) >> FRACTION_BITS);
        *pixels++ = clamp_to_byte((y - constants->u_to_g * u - constants->v_to_g * v) >> FRACTION_BITS);
        *pixels++ = clamp_to_byte((y + constants->u_to_b * u) >> FRACTION_BITS);
    }
}

void ek_pixels_unpack(const ek_frame_format *format, const ek_source_row *row, unsigned first, unsigned count,
                      unsigned channels, uint8_t *pixels) {
    const uint8_t *const data = row->planes[0];
    switch (format->pixels) {
    case EK_PIXELS_RGB888:
    case EK_PIXELS_BGR888:
        unpack_rgb888(data + 3 * first, format->pixels == EK_PIXELS_BGR888 ? 2 : 0, count, channels, pixels);
        break;
    case EK_PIXELS_RGB565_LE:
    case EK_PIXELS_RGB565_BE:
        unpack_rgb565(data + 2 * first, format->pixels == EK_PIXELS_RGB565_LE, count, channels, pixels);
        break;
    case EK_PIXELS_GRAY8:
        unpack_gray(data + first, count, channels, pixels);
        break;
    default: {
        const yuv_layout layout = yuv_layout_of(format->pixels, row);
        unpack_yuv(&layout, &yuv_table[format->yuv], first, count, channels, pixels);
    }
    }
}
