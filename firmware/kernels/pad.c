/* SPDX-License-Identifier: Apache-2.0 */
/* PAD: the specification is in ek_kernels.h. */
#include <stddef.h>

#include "edgekit/ek_kernels.h"

static int8_t *fill(int8_t *output, int32_t size, int8_t value) {
    for (int8_t *const end = output + size; output != end;) {
        *output++ = value;
    }
    return output;
}

void ek_pad_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_pad *const pad = params;
    const int8_t value = pad->value;
    const int32_t channels = pad->channels_before + pad->input.channels + pad->channels_after;
    const int8_t *input = rows[0];
    (void)scratch;
    if (input == NULL) {
        fill(output, (pad->columns_before + pad->input.width + pad->columns_after) * channels, value);
        return;
    }
    output = fill(output, pad->columns_before * channels, value);
    for (int32_t column = pad->input.width; column > 0; column--) {
        output = fill(output, pad->channels_before, value);
        for (int32_t channel = pad->input.channels; channel > 0; channel--) {
            *output++ = *input++;
        }
        output = fill(output, pad->channels_after, value);
    }
    fill(output, pad->columns_after * channels, value);
}
