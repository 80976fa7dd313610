/* SPDX-License-Identifier: Apache-2.0 */
/*
 * const uint32_t *ek_dsp_expand(const int8_t *pixel_0, pixel_1, pixel_2, uint32_t *elements, count): the
 * elements of three pixels in the order in which the tile reads them (tile.h is the manual).
 *
 * Four elements of three pixels need 3 LDR, 6 SXTB16, 1 STM and 2 for the loop: 1 instruction an element.
 *
 * Registers: r0-r2 pixels, r3 elements, r4-r6 four elements of a pixel, r7-r12 pairs of them, lr what is left.
 */
    .syntax unified
    .thumb

.macro store_quad
    sxtb16 r7, r4
    sxtb16 r8, r5
    sxtb16 r9, r6
    sxtb16 r10, r4, ror #8
    sxtb16 r11, r5, ror #8
    sxtb16 r12, r6, ror #8
    stmia r3!, {r7-r12}
.endm

.macro third pixel, quad
    ldrb r7, [\pixel, #2]
    orr \quad, \quad, r7, lsl #16
.endm

    .section .text.ek_dsp_expand, "ax", %progbits
    .balign 4
    .global ek_dsp_expand
    .type ek_dsp_expand, %function
    .thumb_func
ek_dsp_expand:
    push {r4-r11, lr}
    ldr lr, [sp, #36]
    subs lr, lr, #4
    blo 2f
1:  ldr r4, [r0], #4
    ldr r5, [r1], #4
    ldr r6, [r2], #4
    store_quad
    subs lr, lr, #4
    bhs 1b
2:  adds lr, lr, #4
    beq 5f
    /* One to three elements are left: what stands in for the others is multiplied by zeros. */
    cmp lr, #2
    blo 3f
    ldrh r4, [r0]
    ldrh r5, [r1]
    ldrh r6, [r2]
    beq 4f
    third r0, r4
    third r1, r5
    third r2, r6
    b 4f
3:  ldrb r4, [r0]
    ldrb r5, [r1]
    ldrb r6, [r2]
4:  store_quad
5:  mov r0, r3
    pop {r4-r11, pc}
    .size ek_dsp_expand, . - ek_dsp_expand
