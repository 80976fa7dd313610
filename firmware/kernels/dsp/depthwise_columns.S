/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four channels of a row of a 3x3 depthwise convolution, pixel by pixel (depthwise_columns.h is the manual).
 *
 * The 36 products of a pixel's four channels need 57 instructions, 1.6 each: for each of three columns 1 LDM of
 * elements, 3 LDM of weights, 4 SMLAD (two rows at once) and 4 SMLAxy (the third row).
 *
 * Registers: r0 columns, r1 weights, r2-r7 elements of a column, r12 and lr weights, r8-r11 sums of channels 0,
 * 2, 1 and 3.
 */
    .syntax unified
    .thumb

.macro column
    ldmia r0!, {r2-r7}
    ldmia r1!, {r12, lr}
    smlad r8, r12, r2, r8
    smlad r9, lr, r3, r9
    ldmia r1!, {r12, lr}
    smlad r10, r12, r5, r10
    smlad r11, lr, r6, r11
    ldmia r1!, {r12, lr}
    smlabb r8, r12, r4, r8
    smlatt r9, r12, r4, r9
    smlabb r10, lr, r7, r10
    smlatt r11, lr, r7, r11
.endm

.macro scale_fast sum, factor, addend
    smmla \sum, \sum, \factor, \addend
    ssat \sum, #8, \sum, asr #2
.endm

.macro scale_exact sum
    ldmia r1!, {r2-r4}
    lsl \sum, \sum, #1
    smmulr \sum, \sum, r2
    add \sum, \sum, \sum, asr #31
    add \sum, \sum, r3
    asr \sum, \sum, r4
    ssat \sum, #8, \sum
.endm

.macro pixels name, is_exact
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    ldr r4, [sp, #36]
    ldr r5, [sp, #40]
    push {r1-r5}
1:  ldmia r1!, {r8-r11}
    column
    column
    column
    .if \is_exact
    scale_exact r8
    scale_exact r9
    scale_exact r10
    scale_exact r11
    .else
    ldmia r1!, {r2-r5}
    scale_fast r8, r2, r3
    scale_fast r9, r4, r5
    ldmia r1!, {r2-r5}
    scale_fast r10, r2, r3
    scale_fast r11, r4, r5
    .endif
    ldmia sp, {r1-r5} /* weights, output, distance of the next pixel, end of the output, columns to go back */
    strb r9, [r2, #2]
    strb r10, [r2, #1]
    strb r11, [r2, #3]
    strb r8, [r2]
    add r2, r2, r3
    str r2, [sp, #4]
    sub r0, r0, r5
    cmp r2, r4
    bne 1b
    add sp, sp, #20
    pop {r4-r11, pc}
    .size \name, . - \name
.endm

    pixels ek_dsp_depthwise_pixels, 0
    pixels ek_dsp_depthwise_pixels_exact, 1
