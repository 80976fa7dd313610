/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_run.h for Armv6-M.
 *
 * The idea: a channel's weights and constants come from flash in their own order, three to four words by one
 * LDM. They are what MULS overwrites; so each product costs a load of the pixel's element, a multiplication
 * and an addition, and nothing is copied.
 *
 * Registers: r0 weights and constants, r1 element of a row, r2 r3 r4 weights, r5 input, r6 sum, r7 offset of
 * the pixel in a row; r8 r9 r10 rows, r11 bytes between taps, r12 constants of the channel, lr output.
 * Instructions: 59 an output (6.6 a multiply-accumulate), 16 a channel of a run. channel_run_c.h has the same in
 * C.
 */
    .syntax unified
    .thumb

/* The frame, above the saved registers; before these lie the bytes of a pixel of the output and the step. */
#define END    8
#define FIRST  12
#define OUTPUT 20
#define FRAME  24

#define CHANNEL_BYTES 56

/* r6 += the three products of a row. */
.macro add_row row
    mov r1, \row
    ldmia r0!, {r2, r3, r4}
    ldrsb r5, [r1, r7]
    muls r2, r5, r2
    adds r6, r6, r2
    add r1, r11
    ldrsb r5, [r1, r7]
    muls r3, r5, r3
    adds r6, r6, r3
    add r1, r11
    ldrsb r5, [r1, r7]
    muls r4, r5, r4
    adds r6, r6, r4
.endm

    .section .text.ek_packed_channel_run, "ax", %progbits
    .balign 4
    .global ek_packed_channel_run
    .type ek_packed_channel_run, %function
    .thumb_func
ek_packed_channel_run:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    ldmia r0!, {r2-r7}
    mov r12, r2
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    mov r1, r3
    ldmia r0!, {r3-r7}
    mov r2, r7
    push {r1, r2}
    push {r3-r6}
.Lchannel:
    ldr r7, [sp, #FIRST]
    ldr r1, [sp, #OUTPUT]
    mov lr, r1
.Lpixel:
    mov r0, r12
    ldmia r0!, {r6}
    add_row r8
    add_row r9
    add_row r10
    ldmia r0!, {r1-r4} /* x_max, whole, fraction, offset */
    cmp r6, r1
    bhi .Lcut
.Linside:
    muls r3, r6, r3
    lsrs r3, r3, #13
    muls r6, r2, r6
    adds r6, r6, r3
    adds r6, r6, r4
.Llevel:
    lsrs r6, r6, #24
    mov r5, lr
    strb r6, [r5]
    mov r0, sp
    ldmia r0!, {r1, r2, r3}
    add lr, r1
    adds r7, r7, r2
    cmp r7, r3
    bne .Lpixel
    movs r1, #CHANNEL_BYTES
    add r12, r1
    ldmia r0!, {r1, r2, r4} /* first, channels_end, output; r3 has end */
    adds r3, r3, #1
    adds r1, r1, #1
    adds r4, r4, #1
    str r3, [sp, #END]
    str r1, [sp, #FIRST]
    str r4, [sp, #OUTPUT]
    cmp r12, r2
    bne .Lchannel
    add sp, #FRAME
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
.Lcut:
    cmp r6, #0
    blt 1f
    mov r6, r1
    b .Linside
1:
    mov r6, r4
    b .Llevel
    .size ek_packed_channel_run, . - ek_packed_channel_run
