/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_run.h for Armv6-M; channel_run_c.h has the same in C.
 *
 * The idea: a channel's weights and constants come from flash in their own order, three to four words by one
 * LDM. MULS may overwrite a weight that is used for the last time; so each product costs a multiplication and
 * an addition, and nothing is copied. Two pixels side by side share four columns instead of three each.
 *
 * Registers: r0 weights and constants, r1 element of a row, r2 r3 r4 weights, r5 input, r6 sum, r7 offset of
 * the pixel in a row; r8 r9 r10 rows, r11 bytes between taps, r12 constants of the channel, lr sum of the second
 * of two pixels, or else output.
 * Instructions: 97 for two outputs (5.4 a multiply-accumulate), 59 for one, 19 to 22 a channel of a run.
 */
    .syntax unified
    .thumb

/* The frame, above the saved registers. */
#define OUTPUT_BYTES 0
#define PAIRS_END    12
#define FIRST        16
#define OUTPUT       20
#define CHANNELS_END 24
#define PIXEL        28 /* where the next output of two goes */
#define FRAME        32

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

/* r6 += the three products of a row, lr += those of the pixel one column to the right. */
.macro add_row_of_two row
    mov r1, \row
    ldmia r0!, {r2, r3, r4}
    ldrsb r5, [r1, r7]
    muls r5, r2, r5
    adds r6, r6, r5
    add r1, r11
    ldrsb r5, [r1, r7]
    muls r2, r5, r2
    add lr, r2
    muls r5, r3, r5
    adds r6, r6, r5
    add r1, r11
    ldrsb r5, [r1, r7]
    muls r3, r5, r3
    add lr, r3
    muls r5, r4, r5
    adds r6, r6, r5
    add r1, r11
    ldrsb r5, [r1, r7]
    muls r4, r5, r4
    add lr, r4
.endm

/* r6: x, becomes the output. r1 x_max, r2 whole, r3 fraction, r4 offset. */
.macro requantize name, keeps_constants
    cmp r6, r1
    bhi .Lcut_\name
.Linside_\name:
.if \keeps_constants
    mov r5, r6
    muls r5, r3, r5
    lsrs r5, r5, #13
    muls r6, r2, r6
    adds r6, r6, r5
.else
    muls r3, r6, r3
    lsrs r3, r3, #13
    muls r6, r2, r6
    adds r6, r6, r3
.endif
    adds r6, r6, r4
.Llevel_\name:
    lsrs r6, r6, #24
.endm

/* Where requantize goes with an x outside 0..x_max. */
.macro cut name
.Lcut_\name:
    cmp r6, #0
    blt 1f
    mov r6, r1
    b .Linside_\name
1:
    mov r6, r4
    b .Llevel_\name
.endm

    .section .text.ek_packed_channel_run, "ax", %progbits
    .balign 4
    cut first
    cut second
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
    ldmia r0!, {r2-r7}
    push {r1, r2} /* r2 is room for PIXEL */
    push {r2-r7}
.Lchannel:
    ldr r1, [sp, #OUTPUT]
    ldr r2, [sp, #PAIRS_END]
    ldr r7, [sp, #FIRST]
    cmp r7, r2
    beq .Lsingle_pixels
    str r1, [sp, #PIXEL]
.Ltwo_pixels:
    mov r0, r12
    ldmia r0!, {r6}
    mov lr, r6
    add_row_of_two r8
    add_row_of_two r9
    add_row_of_two r10
    ldmia r0!, {r1-r4}
    requantize first, 1
    ldr r5, [sp, #PIXEL]
    strb r6, [r5]
    mov r6, lr
    requantize second, 0
    mov r0, sp
    ldmia r0!, {r1-r4} /* output_bytes, step, end, pairs_end */
    strb r6, [r5, r1]
    adds r5, r5, r1
    adds r5, r5, r1
    str r5, [sp, #PIXEL]
    adds r7, r7, r2
    adds r7, r7, r2
    cmp r7, r4
    bne .Ltwo_pixels
    cmp r7, r3
    beq .Lnext_channel
    mov r1, r5
.Lsingle_pixels:
    mov lr, r1
.Lpixel:
    mov r0, r12
    ldmia r0!, {r6}
    add_row r8
    add_row r9
    add_row r10
    ldmia r0!, {r1-r4}
    requantize single, 0
    mov r5, lr
    strb r6, [r5]
    mov r0, sp
    ldmia r0!, {r1, r2, r3} /* output_bytes, step, end */
    add lr, r1
    adds r7, r7, r2
    cmp r7, r3
    bne .Lpixel
.Lnext_channel:
    movs r1, #1
    add r8, r1
    add r9, r1
    add r10, r1
    ldr r2, [sp, #OUTPUT]
    adds r2, r2, #1
    str r2, [sp, #OUTPUT]
    movs r1, #CHANNEL_BYTES
    add r12, r1
    ldr r1, [sp, #CHANNELS_END]
    cmp r12, r1
    beq .Lend
    b .Lchannel
.Lend:
    add sp, #FRAME
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    cut single
    .size ek_packed_channel_run, . - ek_packed_channel_run
