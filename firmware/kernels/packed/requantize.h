/* SPDX-License-Identifier: Apache-2.0 */
/* Requantization by two multiplications: the formula is in ek_kernels_packed.h. */
#ifndef EDGEKIT_PACKED_REQUANTIZE_H
#define EDGEKIT_PACKED_REQUANTIZE_H

#include <stdint.h>

#include "../loops.h"

/* The output for x, with the constants x_max, whole, fraction, offset and, if is_signed, zero and -drop. */
EK_INLINE int8_t ek_two_factors(uint32_t x, const uint32_t *constants, int is_signed) {
    if (x > constants[0]) { /* a negative x is large here */
        x = (int32_t)x < 0 ? 0 : constants[0];
    }
    uint32_t result = x * constants[1] + (x * constants[2] >> 13) + constants[3];
    if (is_signed && x < constants[4]) {
        result += constants[5];
    }
    return (int8_t)(uint8_t)(result >> 24);
}

#endif /* EDGEKIT_PACKED_REQUANTIZE_H */
