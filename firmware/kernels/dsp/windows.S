/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four channels of windows side by side: the inner loop of depthwise convolutions with windows of any size
 * (columns.h is the manual).
 *
 * The columns of a window are neighbours, so its sums are those of two runs of words: of eight products each step
 * needs 1 LDM of weights, 1 LDM of elements and 4 SMLAD, 0.75 a product. Besides, sixteen steps take 3 instructions
 * for the loop, and a window 21, or 40 in the exact kernel.
 *
 * Registers: r0 elements, r7 weights, r1-r4 four words of weights, r5, r6, r8, r9 of elements, r10-r12, lr sums.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* The frame: ek_dsp_windows, entry being an address. */
#define CONSTANTS 32
#define ENTRY     36

#define STEP_BYTES 24

.macro step
    ldmia.w r7!, {r1-r4}
    ldmia.w r0!, {r5, r6, r8, r9}
    smlad r10, r1, r5, r10
    smlad r11, r2, r6, r11
    smlad r12, r3, r8, r12
    smlad lr, r4, r9, lr
.endm

.macro outputs_fast
    ldmia r7, {r1-r6, r8, r9}
    scale_fast r10, r1, r2
    scale_fast r11, r3, r4
    scale_fast r12, r5, r6
    scale_fast lr, r8, r9
.endm

.macro outputs_exact
    scale_each_exact r7, r10, r11, r12, lr
.endm

.macro slide name, stage
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    ldmia r0, {r0-r9}
    adr r10, 3f + 1
    mov r11, #STEP_BYTES
    mls r9, r9, r11, r10
    push {r0-r9}
1:  ldmia r7!, {r10-r12, lr}
    ldr pc, [sp, #ENTRY]
2:  .rept 16
    step
    .endr
3:  ldr r1, [sp, #CONSTANTS]
    cmp r7, r1
    bne 2b
    \stage
    ldmia sp, {r0-r7}
    strb r10, [r1]
    strb r11, [r1, r2]
    strb r12, [r1, r2, lsl #1]
    strb lr, [r1, r3]
    add r0, r0, r4
    add r1, r1, r5
    strd r0, r1, [sp]
    cmp r0, r6
    bne 1b
    add sp, sp, #40
    pop {r4-r11, pc}
    .size \name, . - \name
.endm

    slide ek_dsp_slide, outputs_fast
    slide ek_dsp_slide_exact, outputs_exact
