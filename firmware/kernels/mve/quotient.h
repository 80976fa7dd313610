/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Division by a small number as a multiplication of 16 bits. For count in 1..256 and 0 <= x <= 128 * count,
 *
 *     round(x / count), ties up, = ((x + half) * factor >> 16) >> shift
 *
 * where x + half fits 16 bits without a sign. The tests try all of them.
 */
#ifndef EDGEKIT_MVE_QUOTIENT_H
#define EDGEKIT_MVE_QUOTIENT_H

#include <stdint.h>

typedef struct ek_mve_divisor {
    uint16_t half;
    uint16_t factor;
    int8_t shift;
} ek_mve_divisor;

static inline ek_mve_divisor ek_mve_divisor_of(uint32_t count) {
    if (count == 1) {
        return (ek_mve_divisor){1, UINT16_MAX, 0}; /* x + 1, less one 65,536th of it */
    }
    const int8_t shift = (int8_t)(31 - __builtin_clz(count - 1)); /* 2^shift < count <= 2^(shift + 1) */
    const uint32_t factor = ((UINT32_C(1) << (16 + shift)) + count - 1) / count;
    return (ek_mve_divisor){(uint16_t)(count / 2), (uint16_t)factor, shift};
}

#endif /* EDGEKIT_MVE_QUOTIENT_H */
