/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels as words of two, for the multiplications of tile.h. Included by one kernel. */
#ifndef EDGEKIT_ARMV6M_WORDS_H
#define EDGEKIT_ARMV6M_WORDS_H

#include <stdint.h>

/*
 * For each i < count the two words pixels[0][i] + 65536 * pixels[1][i] and pixels[2][i] + 65536 *
 * pixels[3][i]. Returns where the next words go. count is at least 1.
 *
 * Registers: r0 to r3 point behind the pixels, r4 counts from -count to 0, r5 and r6 are elements, r7 is
 * where words go. Instructions: 12 an element of four pixels.
 */
int32_t *ek_armv6m_words(const int8_t *const pixels[4], int32_t *words, uint32_t count);

__asm__(".pushsection .text.ek_armv6m_words,\"ax\",%progbits\n"
        ".syntax unified\n"
        ".thumb\n"
        ".p2align 2\n"
        ".global ek_armv6m_words\n"
        ".type ek_armv6m_words, %function\n"
        ".thumb_func\n"
        "ek_armv6m_words:\n"
        "    push {r4-r7, lr}\n"
        "    mov r7, r1\n"
        "    mov r5, r2\n"
        "    rsbs r4, r2, #0\n"
        "    ldmia r0!, {r1, r2, r3, r6}\n"
        "    adds r0, r1, r5\n"
        "    adds r1, r2, r5\n"
        "    adds r2, r3, r5\n"
        "    adds r3, r6, r5\n"
        ".Lwords_element:\n"
        "    ldrsb r5, [r0, r4]\n"
        "    ldrsb r6, [r1, r4]\n"
        "    lsls r6, r6, #16\n"
        "    adds r5, r5, r6\n"
        "    stmia r7!, {r5}\n"
        "    ldrsb r5, [r2, r4]\n"
        "    ldrsb r6, [r3, r4]\n"
        "    lsls r6, r6, #16\n"
        "    adds r5, r5, r6\n"
        "    stmia r7!, {r5}\n"
        "    adds r4, r4, #1\n"
        "    bne .Lwords_element\n"
        "    mov r0, r7\n"
        "    pop {r4-r7, pc}\n"
        ".size ek_armv6m_words, . - ek_armv6m_words\n"
        ".popsection\n");

#endif /* EDGEKIT_ARMV6M_WORDS_H */
