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

/* Two int16 less two others. */
static inline uint32_t ek_dsp_subtract_halves(uint32_t halves, uint32_t others) {
    uint32_t differences;
    __asm__("ssub16 %0, %1, %2" : "=r"(differences) : "r"(halves), "r"(others));
    return differences;
}

/* (factor * the lower one of two int16 >> 16) + addend. */
static inline int32_t ek_dsp_multiply_lower(int32_t factor, uint32_t halves, int32_t addend) {
    int32_t sum;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(halves), "r"(addend));
    return sum;
}

/* The same with the upper one. */
static inline int32_t ek_dsp_multiply_upper(int32_t factor, uint32_t halves, int32_t addend) {
    int32_t sum;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(sum) : "r"(factor), "r"(halves), "r"(addend));
    return sum;
}

/* The larger ones of four int8 and four others. */
static inline uint32_t ek_dsp_larger_bytes(uint32_t bytes, uint32_t others) {
    uint32_t differences; /* their signs stay in the flags that SEL looks at */
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+r"(bytes), "=&r"(differences) : "r"(others));
    return bytes;
}

/* The nearest value of -128..127. */
static inline int32_t ek_dsp_saturate(int32_t value) {
    int32_t nearest;
    __asm__("ssat %0, #8, %1" : "=r"(nearest) : "r"(value));
    return nearest;
}

#endif /* EDGEKIT_DSP_WORDS_H */
