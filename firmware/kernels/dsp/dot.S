/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All outputs of a fully connected layer, two at a time: its inner loop (dot.h is the manual).
 *
 * Weights lie in halfwords of 256 * A + B, as in tile.S. Eight inputs and two outputs need 2 LDM, 4 SXTB16 and
 * 8 SMLAD: 14 instructions for 16 products, 0.88 each, and 0.03 more for the loop of four such steps. Two
 * outputs need besides 17, or 23 in the exact kernel.
 *
 * Registers: r0 weights, r1 inputs, r2-r5 weights, r6-r9 inputs, r10 sum of A and B, r11 sum of B, r12 weights
 * of B, lr end of the inputs.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* The frame: arguments 0 to 3 as pushed, the saved registers, the other arguments. */
#define OUTPUT 0
#define LAST   4
#define INPUTS 8
#define ENTRY  52
#define STREAM 56

.macro product weights, inputs
    sxtb16 r12, \weights
    smlad r10, \weights, \inputs, r10
    smlad r11, r12, \inputs, r11
.endm

.macro step
    ldmia r0!, {r2-r5}
    ldmia r1!, {r6-r9}
    product r2, r6
    product r3, r7
    product r4, r8
    product r5, r9
.endm

.macro dots name, is_exact
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    push {r0-r3}
    mov r1, r2
    mov lr, r3
    ldr r0, [sp, #STREAM]
    ldr r2, [sp, #ENTRY]
    adr r3, 9f
    ldr r2, [r3, r2, lsl #2]
    add r2, r2, r3
    str r2, [sp, #ENTRY]
1:  ldmia r0!, {r10, r11}
    ldr pc, [sp, #ENTRY]
14: step
13: step
12: step
11: step
    cmp r1, lr
    bne 14b
    sub r10, r10, r11
    .if \is_exact
    ldmia r0!, {r2-r4}
    scale_exact r11
    ldmia r0!, {r2-r4}
    scale_exact r10, asr, 7
    .else
    ldmia r0!, {r2-r5}
    scale_fast r11, r2, r3
    scale_fast r10, r4, r5, 10
    .endif
    ldmia sp, {r2, r3} /* output and its last */
    ldr r1, [sp, #INPUTS]
    strb r11, [r2], #1
    strb r10, [r2], #1
    next_two 1b, r3, OUTPUT
    add sp, sp, #16
    pop {r4-r11, pc}
    .balign 4
9:  .word 14b - 9b + 1, 11b - 9b + 1, 12b - 9b + 1, 13b - 9b + 1
    .size \name, . - \name
.endm

    dots ek_dsp_dots, 0
    dots ek_dsp_dots_exact, 1
