/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h for Armv6-M. Registers: r0 to r3 point behind the pixels, r4 counts from -count to 0, r5 and r6 are
 * elements, r7 is where words go. Instructions: 12 an element of four pixels.
 */
    .syntax unified
    .thumb

    .section .text.ek_packed_words, "ax", %progbits
    .balign 4
    .global ek_packed_words
    .type ek_packed_words, %function
    .thumb_func
ek_packed_words:
    push {r4-r7, lr}
    mov r7, r1
    mov r5, r2
    rsbs r4, r2, #0
    ldmia r0!, {r1, r2, r3, r6}
    adds r0, r1, r5
    adds r1, r2, r5
    adds r2, r3, r5
    adds r3, r6, r5
.Lelement:
    ldrsb r5, [r0, r4]
    ldrsb r6, [r1, r4]
    lsls r6, r6, #16
    adds r5, r5, r6
    stmia r7!, {r5}
    ldrsb r5, [r2, r4]
    ldrsb r6, [r3, r4]
    lsls r6, r6, #16
    adds r5, r5, r6
    stmia r7!, {r5}
    adds r4, r4, #1
    bne .Lelement
    mov r0, r7
    pop {r4-r7, pc}
    .size ek_packed_words, . - ek_packed_words
