/* SPDX-License-Identifier: Apache-2.0 */
/* SOFTMAX over two elements, whose outputs depend on nothing but their difference. */
#include "edgekit/ek_kernels.h"

void ek_softmax_of_two_s8(const EK_FLASH void *params, const int8_t *const *rows, int8_t *output,
                          void *scratch) {
    const EK_FLASH ek_softmax_of_two *const softmax = params;
    const int32_t difference = rows[0][1] - rows[0][0];
    const int32_t distance = difference < 0 ? -difference : difference;
    const int32_t lower = distance < softmax->distances ? softmax->lower[distance] : INT8_MIN;
    const int8_t higher = (int8_t)(lower == INT8_MIN ? INT8_MAX : -lower);
    (void)scratch;
    output[0] = difference < 0 ? higher : (int8_t)lower;
    output[1] = difference < 0 ? (int8_t)lower : higher;
}
