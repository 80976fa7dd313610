/* SPDX-License-Identifier: Apache-2.0 */
/* CONV_2D of one pixel and eight input channels with DSP instructions, strip by strip. The products are in
 * shallow.S. */
#include "edgekit/ek_kernels_dsp.h"

#include "clamp.h"
#include "shallow.h"

#define STRIP    12 /* pixels */
#define CHANNELS 8

void ek_dsp_shallow_conv_2d_s8(const void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const ek_dsp_shallow_conv_2d *const conv = params;
    const uint32_t channels = conv->channels;
    const int8_t *input = rows[0];
    int8_t *to = output;
    for (uint32_t left = conv->width; left > 0;) {
        const uint32_t pixels = left < STRIP ? left : STRIP;
        ek_dsp_shallow_strip(input, scratch, to, pixels, channels, conv->stream);
        input += pixels * CHANNELS;
        to += pixels * channels;
        left -= pixels;
    }
    ek_dsp_clamp(output, conv->width * channels, conv->activation_min, conv->activation_max);
}
