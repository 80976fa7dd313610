/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strip of pixels of eight channels: the inner loop of shallow convolutions (shallow.h is the manual).
 *
 * The pixels become int16 once, 9 instructions each. Then the filter of one output channel after the other is
 * kept in registers, and the pixels go by it: 1 LDM, 4 SMLAD, 2 to scale the sum, 1 store, and half an addition
 * for the place, 1.1 instructions a product. A channel takes 10 besides.
 *
 * Registers: r0 elements, r1 output, r2 channels, r3 multiplier, r4 addend, r5 bias, r6-r9 weights, r10-r12 and
 * lr elements of a pixel.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* The frame: what is pushed last. */
#define OUTPUT 4
#define STREAM 12
#define ENTRY  16

.macro pixel place:vararg
    ldmia r0!, {r10-r12, lr}
    smlad r10, r6, r10, r5
    smlad r10, r7, r11, r10
    smlad r10, r8, r12, r10
    smlad r10, r9, lr, r10
    scale_fast r10, r3, r4
    strb r10, [\place]
.endm

.macro second_pixel
    pixel r1, r2
    add r1, r1, r2, lsl #1
.endm

    .section .text.ek_dsp_shallow_strip, "ax", %progbits
    .balign 4
    .global ek_dsp_shallow_strip
    .type ek_dsp_shallow_strip, %function
    .thumb_func
ek_dsp_shallow_strip:
    push {r4-r11, lr}
    mov r4, r1
    mov r5, r2
    mov r2, r3
1:  ldr r10, [r0], #4
    ldr r11, [r0], #4
    sxtb16 r6, r10
    sxtb16 r7, r10, ror #8
    sxtb16 r8, r11
    sxtb16 r9, r11, ror #8
    stmia r1!, {r6-r9}
    subs r2, r2, #1
    bne 1b
    ldrd r2, r7, [sp, #36]
    /* Of an odd number, the first one is taken for the second of two. */
    tst r3, #1
    it ne
    subne r5, r5, r2
    add r6, r5, r2
    adr r8, 9f - 4
    ldr r3, [r8, r3, lsl #2]
    add r8, r8, r3
    push {r4-r8} /* elements, output, its end, weights, entry */
2:  ldrd r0, r1, [sp]
    ldr lr, [sp, #STREAM]
    ldmia lr!, {r3-r9}
    str lr, [sp, #STREAM]
    ldr pc, [sp, #ENTRY]
22: pixel r1
21: second_pixel
20: pixel r1
19: second_pixel
18: pixel r1
17: second_pixel
16: pixel r1
15: second_pixel
14: pixel r1
13: second_pixel
12: pixel r1
11: second_pixel
    ldrd r0, r1, [sp, #OUTPUT]
    add r0, r0, #1
    str r0, [sp, #OUTPUT]
    cmp r0, r1
    bne 2b
    add sp, sp, #20
    pop {r4-r11, pc}
    .balign 4
9:  .word 11b - 9b + 5, 12b - 9b + 5, 13b - 9b + 5, 14b - 9b + 5, 15b - 9b + 5, 16b - 9b + 5
    .word 17b - 9b + 5, 18b - 9b + 5, 19b - 9b + 5, 20b - 9b + 5, 21b - 9b + 5, 22b - 9b + 5
    .size ek_dsp_shallow_strip, . - ek_dsp_shallow_strip
