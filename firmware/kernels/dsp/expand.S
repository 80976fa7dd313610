/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of a tile's windows in the order in which the tile reads them (tile.h is the manual).
 *
 * Four elements of three pixels need 3 LDR, 6 SXTB16, 1 STM and 2 for the loop: 12 instructions; of two pixels
 * 9. A row of the window needs 16 besides, and each element of the rest 11 or 9.
 *
 * Registers: r0-r2 pixels, r3 elements, r4-r6 four elements of a pixel, r7-r12 pairs of them, lr what is left.
 */
    .syntax unified
    .thumb

/* ek_dsp_tile */
#define REST   12
#define PLACES 16 /* of rests and elements */

/* The frame: what is pushed last, and where the next rest goes. */
#define TILE      0
#define ROWS      4
#define NEXT_REST 12

.macro expand name, pixels
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    ldrd r4, r3, [r0, #PLACES]
    push {r0-r2, r4}
1:  ldrd r6, r4, [sp]
    ldr r5, [r4], #4
    str r4, [sp, #ROWS]
    ldmia r6, {r0, r2, lr}
    add r0, r0, r5
    add r1, r0, r2
    .if \pixels == 3
    add r2, r1, r2
    .endif
    subs lr, lr, #1
    blo 3f
2:  ldr r4, [r0], #4
    ldr r5, [r1], #4
    .if \pixels == 3
    ldr r6, [r2], #4
    .endif
    sxtb16 r7, r4
    sxtb16 r8, r5
    .if \pixels == 3
    sxtb16 r9, r6
    .endif
    sxtb16 r10, r4, ror #8
    sxtb16 r11, r5, ror #8
    .if \pixels == 3
    sxtb16 r12, r6, ror #8
    stmia r3!, {r7-r12}
    .else
    stmia r3!, {r7, r8, r10, r11}
    .endif
    subs lr, lr, #1
    bhs 2b
3:  ldr r6, [sp, #TILE]
    ldr lr, [r6, #REST]
    cmp lr, #0
    bne 5f
4:  ldrd r4, r5, [sp, #ROWS]
    cmp r4, r5
    bne 1b
    add sp, sp, #16
    pop {r4-r11, pc}
    /* One to three elements of the row are left: one by one. */
5:  ldr r7, [sp, #NEXT_REST]
6:  ldrsb r4, [r0], #1
    ldrsb r5, [r1], #1
    .if \pixels == 3
    ldrsb r8, [r2], #1
    strh r8, [r7, #8]
    .endif
    strh r5, [r7, #4]
    strh r4, [r7], #2
    ands r4, r7, #2
    it eq
    addeq r7, r7, #4 * (\pixels - 1)
    subs lr, lr, #1
    bne 6b
    str r7, [sp, #NEXT_REST]
    b 4b
    .size \name, . - \name
.endm

    expand ek_dsp_expand_three, 3
    expand ek_dsp_expand_two, 2
