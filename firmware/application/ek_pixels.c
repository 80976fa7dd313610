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

/* RGB in place to grayscale. */
static void make_gray(uint8_t *pixels, unsigned count) {
    const uint8_t *rgb = pixels;
    for (; count > 0; --count, rgb += 3) {
        const uint32_t sum = UINT32_C(19595) * rgb[0] + UINT32_C(38470) * rgb[1] + UINT32_C(7471) * rgb[2];
        *pixels++ = (uint8_t)((sum + HALF) >> FRACTION_BITS);
    }
}

static void unpack_rgb888(const uint8_t *source, unsigned red, unsigned count, uint8_t *rgb) {
    for (; count > 0; --count, source += 3, rgb += 3) {
        rgb[0] = source[red];
        rgb[1] = source[1];
        rgb[2] = source[2 - red];
    }
}

/* Five and six bits become eight by repeating their highest, so that black and white stay what they are. */
static void unpack_rgb565(const uint8_t *source, unsigned high, unsigned count, uint8_t *rgb) {
    for (; count > 0; --count, source += 2, rgb += 3) {
        const unsigned word = (unsigned)source[high] << 8 | source[1 - high];
        const unsigned r = word >> 11;
        const unsigned g = word >> 5 & 63;
        const unsigned b = word & 31;
        rgb[0] = (uint8_t)(r << 3 | r >> 2);
        rgb[1] = (uint8_t)(g << 2 | g >> 4);
        rgb[2] = (uint8_t)(b << 3 | b >> 2);
    }
}

static void unpack_gray(const uint8_t *source, unsigned count, unsigned channels, uint8_t *pixels) {
    for (; count > 0; --count, ++source) {
        for (unsigned c = 0; c < channels; ++c) {
            *pixels++ = *source;
        }
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

/* Y by itself, stretched to 0…255. */
static void unpack_luma(const yuv_layout *layout, const yuv_constants *constants, unsigned first,
                        unsigned count, uint8_t *pixels) {
    for (unsigned x = first; x < first + count; ++x) {
        const int32_t y = layout->y[x * layout->y_step] - constants->y_of_black;
        *pixels++ = clamp_to_byte((constants->y_gain * y + HALF) >> FRACTION_BITS);
    }
}

static void unpack_yuv(const yuv_layout *layout, const yuv_constants *constants, unsigned first,
                       unsigned count, uint8_t *rgb) {
    int32_t r = 0, g = 0, b = 0; /* what U and V of two pixels add to Y */
    for (unsigned x = first; x < first + count; ++x, rgb += 3) {
        if (x == first || x % 2 == 0) {
            const int32_t u = layout->u[x / 2 * layout->uv_step] - 128;
            const int32_t v = layout->v[x / 2 * layout->uv_step] - 128;
            r = constants->v_to_r * v + HALF;
            g = HALF - constants->u_to_g * u - constants->v_to_g * v;
            b = constants->u_to_b * u + HALF;
        }
        const int32_t y = constants->y_gain * (layout->y[x * layout->y_step] - constants->y_of_black);
        rgb[0] = clamp_to_byte((y + r) >> FRACTION_BITS);
        rgb[1] = clamp_to_byte((y + g) >> FRACTION_BITS);
        rgb[2] = clamp_to_byte((y + b) >> FRACTION_BITS);
    }
}

static void unpack_any_yuv(const ek_frame_format *format, const ek_source_row *row, unsigned first,
                           unsigned count, unsigned channels, uint8_t *pixels) {
    const yuv_layout layout = yuv_layout_of(format->pixels, row);
    if (channels == 1) {
        unpack_luma(&layout, &yuv_table[format->yuv], first, count, pixels);
    } else {
        unpack_yuv(&layout, &yuv_table[format->yuv], first, count, pixels);
    }
}

void ek_pixels_unpack(const ek_frame_format *format, const ek_source_row *row, unsigned first, unsigned count,
                      unsigned channels, uint8_t *pixels) {
    const uint8_t *const data = row->planes[0];
    switch (format->pixels) {
    case EK_PIXELS_RGB888:
    case EK_PIXELS_BGR888:
        unpack_rgb888(data + 3 * first, format->pixels == EK_PIXELS_BGR888 ? 2 : 0, count, pixels);
        break;
    case EK_PIXELS_RGB565_LE:
    case EK_PIXELS_RGB565_BE:
        unpack_rgb565(data + 2 * first, format->pixels == EK_PIXELS_RGB565_LE, count, pixels);
        break;
    case EK_PIXELS_GRAY8:
        unpack_gray(data + first, count, channels, pixels);
        return;
    default:
        unpack_any_yuv(format, row, first, count, channels, pixels);
        return;
    }
    if (channels == 1) {
        make_gray(pixels, count);
    }
}
