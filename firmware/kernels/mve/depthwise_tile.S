/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_depthwise(ek_mve_depthwise_tile *tile): 3 x 3 windows of up to twelve pixels in a row, four
 * channels at a time, from bytes to bytes (depthwise.h).
 *
 * Gathers bring the words of four columns of a row, and scatter stores lay them down column by column. So the
 * windows of three neighbouring pixels are fifteen words in a row: a gather of one byte of each serves them all,
 * and with the nine weights at lanes 0, 3 and 6 one VMLADAV is a window (at stride 2: two pixels, lanes 0
 * and 6). For four channels and 12 pixels: 37 instructions fetch columns, 92 multiply, 68 requantize, 10 more;
 * 4.3 an output. For 6 pixels: 23, 56, 47 and 10; 5.7.
 *
 * r0 r2 r4 r6 r8 r10 sums. r1 columns, r3 r5 r7 rows, r9 stream, r11 tile, r12 where sums go.
 * q1..q3 weights, q0 columns of a channel, q4 scale, q5 and q6 offsets of two gathers. P0 pixels of the last
 * vector.
 */
#include "finish.inc"

    .syntax unified
    .thumb

    .equ SLOTS, 0
    .equ OFFSETS, 16
    .equ OUTPUTS, 80
    .equ ROWS, 128
    .equ STREAM, 140
    .equ COLUMNS, 148
    .equ SUMS, 152
    .equ INSIDE, 156
    .equ LAST, 160
    .equ COPY, 164
    .equ DOT, 168
    .equ VECTORS, 172
    .equ LAST_SUMS, 176
    .equ FINISH, 180
    .equ TO_COPY, 196
    .equ TO_DOT, 200
    .equ TO_FINISH, 204
    .equ PITCH, 48              /* bytes of a channel's sums */

    .macro piece row, offsets, slot
    vldrw.u32 q5, [\row, \offsets]
    vstrw.32 q5, [\slot, q7]
    .endm

    .macro three_pixels offsets, a, b, c
    vldrb.u8 q0, [r1, \offsets]
    vmladav.s8 \a, q0, q1
    vmladav.s8 \b, q0, q2
    vmladav.s8 \c, q0, q3
    .endm

    .macro two_pixels offsets, a, b
    vldrb.u8 q0, [r1, \offsets]
    vmladav.s8 \a, q0, q1
    vmladav.s8 \b, q0, q3
    .endm

    .macro load_weights step
    vldrb.u8 q1, [r9, #6]
    vldrb.u8 q2, [r9, #3]
    vldrb.u8 q3, [r9], #\step
    .endm

    .macro six_pixels_of_a_channel step=16
    load_weights \step
    three_pixels q5, r0, r2, r4
    three_pixels q6, r6, r8, r10
    stm r12, {r0, r2, r4, r6, r8, r10}
    add.w r12, r12, #PITCH
    add.w r1, r1, #1
    .endm

    .macro twelve_pixels_of_a_channel step=16
    load_weights \step
    three_pixels q5, r0, r2, r4
    three_pixels q6, r6, r8, r10
    stm r12!, {r0, r2, r4, r6, r8, r10}
    add.w r1, r1, #72           /* six columns */
    three_pixels q5, r0, r2, r4
    three_pixels q6, r6, r8, r10
    stm r12!, {r0, r2, r4, r6, r8, r10}
    sub.w r1, r1, #71
    .endm

    .macro six_strided_pixels_of_a_channel step=16
    vldrb.u8 q1, [r9, #6]
    vldrb.u8 q3, [r9], #\step
    two_pixels q5, r0, r2
    two_pixels q6, r4, r6
    two_pixels q7, r8, r10
    stm r12, {r0, r2, r4, r6, r8, r10}
    add.w r12, r12, #PITCH
    add.w r1, r1, #1
    .endm

    .macro four_channels macro
    \macro
    \macro
    \macro
    \macro 24                   /* past the zeros behind the last */
    .endm

    .macro finish_vector number
    finish_once r1, (16 * \number), PITCH
    vldrw.u32 q5, [r11, #(OUTPUTS + 16 * \number)]
    vstrw.32 q6, [q5, #4]!
    vstrw.32 q5, [r11, #(OUTPUTS + 16 * \number)]
    .endm

    .macro finish_last_vector number
    ldr.w r1, [r11, #SUMS]
    load_factors
    finish_once r1, (16 * \number), PITCH
    vldrw.u32 q5, [r11, #(OUTPUTS + 16 * \number)]
    vpst
    vstrwt.32 q6, [q5, #4]!
    vstrw.32 q5, [r11, #(OUTPUTS + 16 * \number)]
    .endm

/* Where the tile's kind of a part is to be found. */
    .macro choose table, kind, to
    ldr r0, [r11, #\kind]
    adr.w r1, \table
    ldr.w r0, [r1, r0, lsl #2]
    str.w r0, [r11, #\to]
    .endm

    .section .text.ek_mve_depthwise, "ax", %progbits
    .global ek_mve_depthwise
    .type ek_mve_depthwise, %function
    .balign 4
ek_mve_depthwise:
    push {r3-r11, lr}
    vpush {d8-d15}
    mov r11, r0
    choose .Lcopies, COPY, TO_COPY
    choose .Ldots, DOT, TO_DOT
    choose .Lfinishes, VECTORS, TO_FINISH
    ldrd r3, r5, [r11, #ROWS]
    ldrd r7, r9, [r11, #(ROWS + 8)]
    ldr r0, [r11, #LAST]
    vctp.32 r0
    ldr r0, [r11, #FINISH]
    vdup.32 q4, r0
.Lgroup:
    adr.w r12, .Lconstants
    movs r10, #4
    vldrw.u32 q7, [r12]
    ldr pc, [r11, #TO_COPY]
    .balign 4
.Lcopy_four_pieces:
    ldm r11, {r0, r2, r4, r6}
    vldrw.u32 q0, [r11, #OFFSETS]
    vldrw.u32 q1, [r11, #(OFFSETS + 16)]
    vldrw.u32 q2, [r11, #(OFFSETS + 32)]
    vldrw.u32 q3, [r11, #(OFFSETS + 48)]
    .irp row, r3, r5, r7
    piece \row, q0, r0
    piece \row, q1, r2
    piece \row, q2, r4
    piece \row, q3, r6
    add.w \row, \row, #4
    vadd.i32 q7, q7, r10
    .endr
    b .Lcopied
    .balign 4
.Lcopy_two_pieces:
    ldm r11, {r0, r2}
    vldrw.u32 q0, [r11, #OFFSETS]
    vldrw.u32 q1, [r11, #(OFFSETS + 16)]
    .irp row, r3, r5, r7
    piece \row, q0, r0
    piece \row, q1, r2
    add.w \row, \row, #4
    vadd.i32 q7, q7, r10
    .endr
    b .Lcopied
    .balign 4
.Lcopy_few_columns:
    ldrd r2, r4, [r11, #INSIDE]
    ldr r0, [r11, #SLOTS]
    vldrw.u32 q0, [r11, #OFFSETS]
    vctp.32 r2
    .irp row, r3, r5, r7
    vpstt
    vldrwt.u32 q5, [\row, q0]
    vstrwt.32 q5, [r0, q7]
    add.w \row, \row, #4
    vadd.i32 q7, q7, r10
    .endr
    vctp.32 r4
.Lcopied:
    vldrw.u32 q5, [r12, #16]
    vldrw.u32 q6, [r12, #32]
    ldrd r1, r12, [r11, #COLUMNS]
    ldr pc, [r11, #TO_DOT]
    .balign 4
.Ltwelve_pixels:
    four_channels twelve_pixels_of_a_channel
    ldr pc, [r11, #TO_FINISH]
    .balign 4
.Lsix_pixels:
    four_channels six_pixels_of_a_channel
    ldr pc, [r11, #TO_FINISH]
    .balign 4
.Lsix_strided_pixels:
    movs r0, #48                /* four columns */
    vadd.i8 q6, q5, r0
    vadd.i8 q7, q6, r0
    four_channels six_strided_pixels_of_a_channel
    ldr pc, [r11, #TO_FINISH]
    .balign 4
.Lthree_vectors:
    finish_last_vector 2
    finish_vector 1
.Lfinish_first:
    finish_vector 0
.Lnext:
    ldr r0, [r11, #(STREAM + 4)]
    cmp r9, r0
    bne .Lgroup
    vpop {d8-d15}
    pop {r3-r11, pc}
    .balign 4
.Ltwo_vectors:
    finish_last_vector 1
    b .Lfinish_first
    .balign 4
.Lone_vector:
    finish_last_vector 0
    b .Lnext
    .balign 4
.Ltwo_roundings:
    push {r5, r7}
    ldr r7, [r11, #LAST_SUMS]
.Lvector:
    ldr r1, [r11, #SUMS]
    adds r1, r1, r7
    finish_twice r1, 0, PITCH, r5
    add r0, r11, #FINISH
    clamp
    add r6, r11, r7
    vldrw.u32 q5, [r6, #OUTPUTS]
    vpst
    vstrwt.32 q6, [q5, #4]!
    vstrw.32 q5, [r6, #OUTPUTS]
    vcmp.i32 eq, q6, q6         /* all vectors before the last are whole */
    subs r7, r7, #16
    bpl .Lvector
    ldr r0, [r11, #LAST]
    vctp.32 r0
    adds r9, r9, #36
    pop {r5, r7}
    b .Lnext
    .balign 4
.Lconstants:
    .word 0, 12, 24, 36
    .byte 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60
    .byte 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 96
.Lcopies:
    .word .Lcopy_few_columns + 1, .Lcopy_two_pieces + 1, .Lcopy_four_pieces + 1
.Ldots:
    .word .Lsix_pixels + 1, .Ltwelve_pixels + 1, .Lsix_strided_pixels + 1
.Lfinishes:
    .word .Lone_vector + 1, .Ltwo_vectors + 1, .Lthree_vectors + 1, .Ltwo_roundings + 1
    .size ek_mve_depthwise, . - ek_mve_depthwise
