/* SPDX-License-Identifier: Apache-2.0 */
/* MEAN over H and W: the specification is in ek_kernels.h. */
#include "edgekit/ek_kernels.h"

#include "loops.h"
#include "requantize.h"

void ek_mean_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output, void *scratch) {
    const EK_FLASH ek_mean *const mean = params;
    const int32_t channels = mean->input.channels;
    const int32_t row_bytes = mean->input.width * channels;
    const int8_t *const *const rows_end = rows + mean->height;
    const int32_t zero_point = mean->input_zero_point;
    const uint32_t offset = 0u - (uint32_t)zero_point * mean->height * mean->input.width;
    (void)scratch;
    EK_NO_UNROLL
    for (int32_t channel = 0; channel < channels; channel++) {
        int32_t sum = (int32_t)offset;
        /* Down the columns: to step to the next one takes less than to step to the next row. */
        EK_NO_UNROLL
        for (int32_t place = channel; place < row_bytes; place += channels) {
            const int8_t *const *row = rows;
            EK_NO_UNROLL
            do {
                sum = ek_wrapping_add(sum, (*row++)[place]);
            } while (row != rows_end);
        }
        const int32_t value = ek_requantize(sum, mean->multiplier, mean->shift);
        output[channel] = ek_clamp(ek_wrapping_add(value, mean->output_zero_point), INT8_MIN, INT8_MAX);
    }
}
