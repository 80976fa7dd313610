/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes four at a time, and the instructions for which C has no words. */
#ifndef EDGEKIT_DSP_WORDS_H
#define EDGEKIT_DSP_WORDS_H

#include <stdint.h>

/* Four bytes at any address; the first is the lowest. These cores load unaligned words by one LDR, which
 * compilers make of a memcpy only if it is theirs. */
static inline uint32_t ek_dsp_load(const int8_t *bytes) {
    uint32_t word;
    __builtin_memcpy(&word, bytes, sizeof word);
    return word;
}

/* The same backwards. */
static inline void ek_dsp_store(int8_t *bytes, uint32_t word) {
    __builtin_memcpy(bytes, &word, sizeof word);
}

/* Bytes 0 and 2 as int16. */
static inline uint32_t ek_dsp_even_bytes(uint32_t word) {
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(word));
    return halves;
}

/* Bytes 1 and 3 as int16. */
static inline uint32_t ek_dsp_odd_bytes(uint32_t word) {
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
}

/* Bytes 0 and 2 added to two int16. */
static inline uint32_t ek_dsp_add_even_bytes(uint32_t halves, uint32_t word) {
    __asm__("sxtab16 %0, %0, %1" : "+r"(halves) : "r"(word));
    return halves;
}

/* Bytes 1 and 3. */
static inline uint32_t ek_dsp_add_odd_bytes(uint32_t halves, uint32_t word) {
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(halves) : "r"(word));
    return halves;
}

/* The nearest value of -128..127. */
static inline int32_t ek_dsp_saturate(int32_t value) {
    int32_t nearest;
    __asm__("ssat %0, #8, %1" : "=r"(nearest) : "r"(value));
    return nearest;
}

#endif /* EDGEKIT_DSP_WORDS_H */
