/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dots.h for Armv6-M; dots_c.h has the same in C.
 *
 * Registers: r0 stream, r1 inputs, r2 mask, r3 r4 r5 a quad of inputs, r6 weights and products, r7 the odd
 * ones; r8 to r11 sums, r12 all inputs, lr end of the run.
 * Instructions: 39 a quad of four filters (2.4 a multiply-accumulate), 13 a run, 40 a call.
 */
    .syntax unified
    .thumb

#define DOTS       16 /* where the argument lies in the frame */
#define QUAD_BYTES 12

/* \sum += the products of the inputs with the next weights. */
.macro dot sum
    ldmia r0!, {r6}
    lsrs r7, r6, #8
    ands r7, r2
    muls r6, r4, r6
    muls r7, r5, r7
    adds r6, r6, r3
    adds r6, r6, r7
    asrs r6, r6, #16
    add \sum, r6
.endm

    .section .text.ek_packed_dots, "ax", %progbits
    .balign 4
    .global ek_packed_dots
    .type ek_packed_dots, %function
    .thumb_func
ek_packed_dots:
    push {r0, r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    ldmia r0!, {r1, r3}
    mov r0, r1
    mov r12, r3
    movs r2, #255
    lsls r3, r2, #16
    orrs r2, r3
    ldmia r0!, {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
.Lrun:
    ldmia r0!, {r3}
    lsrs r4, r3, #16
    beq .Lend
    lsls r4, r4, #4
    adds r4, r4, r0
    mov lr, r4
    uxth r1, r3
    movs r3, #QUAD_BYTES
    muls r1, r3, r1
    add r1, r12
.Lquad:
    ldmia r1!, {r3, r4, r5}
    dot r8
    dot r9
    dot r10
    dot r11
    cmp r0, lr
    bne .Lquad
    b .Lrun
.Lend:
    ldr r1, [sp, #DOTS]
    str r0, [r1]
    adds r1, r1, #8
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stmia r1!, {r4-r7}
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r0, r4-r7, pc}
    .size ek_packed_dots, . - ek_packed_dots
