/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of a 3x3 depthwise convolution, four channels at a time, pixel by pixel (depthwise.h is the manual).
 *
 * A column is four channels a, b, c, d of the three rows 0, 1, 2 as six words of two int16, the first in the
 * lower half: (a0, a1), (b0, b1), (c0, c1), (d0, d1), (a2, c2), (b2, d2). It is made when the first pixel
 * needs it, 14 instructions, and kept until no pixel does: of the two columns that the next pixel needs as
 * well, the new one takes the place of the oldest. So two columns are all that is ever stored.
 *
 * The 36 products of a pixel take three times 1 LDM of a column that is stored, 3 LDM of weights, 4 SMLAD (two
 * rows at once) and 4 SMLAxy (the third row). Four channels of a pixel need 69 instructions with the stride 1,
 * 1.9 a product, and 82 with the stride 2, 2.3 a product; the exact kernel 19 more.
 *
 * Registers: r0 the oldest column, r1 weights, r2-r7 a column, r12 and lr weights, r8-r11 sums.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* ek_dsp_depthwise_row, behind what is copied to the frame for each four channels; the words that follow EDGE
 * and OUTSIDE are read with them. */
#define ROW_EDGE    28 /* end, last */
#define ROW_STREAM  40
#define ROW_COLUMNS 44
#define ROW_OUTSIDE 48 /* zero point */

/* The frame: the rows from the channels on, as in ek_dsp_depthwise_row, */
#define OFFSET  16
#define STOP    20
#define OUTPUT  24
/* and besides: */
#define STREAM  28
#define EDGE    32
#define ROW_END 36
#define LAST    40
#define CHANNEL 44
#define ROW     48
#define FRAME   56

/* The next column, in r2-r7. */
.macro new_column
    ldmia sp, {r2-r6}
    ldr r7, [r2, r6]
    ldr r12, [r3, r6]
    ldr lr, [r4, r6]
    add r6, r6, r5
    str r6, [sp, #OFFSET]
    pkhbt r2, r7, r12, lsl #16
    pkhtb r4, r12, r7, asr #16
    sxtb16 r3, r2, ror #8
    sxtb16 r2, r2
    sxtb16 r5, r4, ror #8
    sxtb16 r4, r4
    sxtb16 r6, lr
    sxtb16 r7, lr, ror #8
.endm

/* The products of the column in r2-r7. */
.macro add_column
    ldmia r1!, {r12, lr}
    smlad r8, r12, r2, r8
    smlad r9, lr, r3, r9
    ldmia r1!, {r12, lr}
    smlad r10, r12, r4, r10
    smlad r11, lr, r5, r11
    ldmia r1!, {r12, lr}
    smlabb r8, r12, r6, r8
    smlatt r10, r12, r6, r10
    smlabb r9, lr, r7, r9
    smlatt r11, lr, r7, r11
.endm

.macro sums stride
    ldmia r1!, {r8-r11}
    ldmia r0, {r2-r7}
    add_column
    new_column
    .if \stride == 1
    stmia r0, {r2-r7}
    add_column
    eor r0, r0, #32
    ldmia r0, {r2-r7}
    add_column
    .else
    add_column
    new_column
    stmia r0, {r2-r7}
    add_column
    .endif
.endm

.macro outputs_fast
    ldmia r1!, {r2-r7, r12, lr}
    scale_fast r8, r2, r3
    scale_fast r9, r4, r5
    scale_fast r10, r6, r7
    scale_fast r11, r12, lr
.endm

.macro outputs_exact
    scale_each_exact r1, r8, r9, r10, r11
.endm

/* The rows, which end at r3, give way to the edge: of the last pixel only the last column lies outside. */
.macro turn_to_edge stride
    ldrd r12, r8, [sp, #EDGE]
    str r8, [sp, #STOP]
    .if \stride == 1
    sub r4, r12, r3
    str r4, [sp]
    str r4, [sp, #4]
    str r4, [sp, #8]
    .else
    ldmia sp, {r4-r7}
    ldr r4, [r4, r3]
    ldr r5, [r5, r3]
    ldr r6, [r6, r3]
    str r4, [r12]
    str r5, [r12, #8]
    str r6, [r12, #16]
    /* The offset grows by 8 from now on: the output, which follows half of it, would be behind. */
    ldr r8, [sp, #OUTPUT]
    add r8, r8, r7
    sub r8, r8, #4
    str r8, [sp, #OUTPUT]
    sub r4, r12, r3
    add r5, r4, #8
    add r6, r4, #16
    mov r7, #4
    stmia sp, {r4-r7}
    .endif
.endm

.macro depthwise name, stride, stage, quad_words
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    sub sp, sp, #FRAME
    str r0, [sp, #ROW]
    add r4, r0, #ROW_EDGE
    ldmia r4, {r4-r6}
    strd r4, r5, [sp, #EDGE]
    str r6, [sp, #LAST]
    ldr r1, [r0, #ROW_STREAM]
    mov r9, #0
1:  /* Four channels: r1 weights, r9 the first of them. */
    ldr r0, [sp, #ROW]
    ldmia r0, {r2-r8}
    add r2, r2, r9
    add r3, r3, r9
    add r4, r4, r9
    add r8, r8, r9
    stmia sp, {r2-r8}
    str r1, [sp, #STREAM]
    str r9, [sp, #CHANNEL]
    ldrd r3, r2, [r0, #ROW_OUTSIDE]
    ldr r0, [r0, #ROW_COLUMNS]
    cmp r3, #0
    beq 2f
    mov r3, r2
    mov r4, r2
    mov r5, r2
    mov r6, r2
    mov r7, r2
    b 3f
2:  new_column
3:  stmia r0, {r2-r7}
    .if \stride == 1
    new_column
    eor r8, r0, #32
    stmia r8, {r2-r7}
    .endif
    ldrd r3, r4, [sp, #OFFSET]
    cmp r3, r4
    beq 5f
4:  sums \stride
    \stage
    ldrd r3, r4, [sp, #OFFSET]
    ldrd r2, r1, [sp, #OUTPUT]
    bfi r8, r9, #8, #8
    bfi r10, r11, #8, #8
    pkhbt r8, r8, r10, lsl #16
    .if \stride == 1
    str r8, [r2, r3]
    .else
    add r2, r2, r3, lsr #1
    str r8, [r2]
    .endif
    cmp r3, r4
    bne 4b
5:  ldr r4, [sp, #ROW_END]
    cmp r3, r4
    beq 6f
    turn_to_edge \stride
    b 4b
6:  ldrd r2, r9, [sp, #LAST]
    add r1, r1, #4 * \quad_words
    cmp r9, r2
    beq 7f
    add r9, r9, #4
    cmp r9, r2
    it hi
    movhi r9, r2
    b 1b
7:  add sp, sp, #FRAME
    pop {r4-r11, pc}
    .size \name, . - \name
.endm

    depthwise ek_dsp_depthwise_1, 1, outputs_fast, 30
    depthwise ek_dsp_depthwise_2, 2, outputs_fast, 30
    depthwise ek_dsp_depthwise_1_exact, 1, outputs_exact, 34
    depthwise ek_dsp_depthwise_2_exact, 2, outputs_exact, 34
