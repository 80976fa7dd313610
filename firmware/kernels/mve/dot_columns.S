/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_dot_columns(const ek_mve_columns *columns): 3 x 3 windows of four output pixels by all filters, from
 * bytes to bytes (columns.h). Their columns overlap, so that sixteen channels of a row are loaded once for all
 * windows: at stride 1 six vectors instead of twelve, 36 instructions for 384 products; at stride 2 nine, 39
 * (ek_mve_dot_strided_columns). 20 requantize four filters, 21 more are around that.
 *
 * Sums: r0 r2 r4 r6 (first filter), r8 r10 r12 lr (second): VMLADAV adds to even registers only. r1 columns,
 * r3 blocks left, r5 the first column, r7 where sums go, r9 stream, r11 which two of four filters.
 * q0..q3 columns, q6 and q7 weights, q4 scale, q5 addresses of outputs.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* The frame: eight zeros, the sums of four filters, and what the structure says. */
    .equ SUMS, 32
    .equ FINISH, 96
    .equ STREAM_END, 112
    .equ BLOCKS, 116
    .equ FRAME_BYTES, 120

/* A tap of four pixels, whose columns are in those vectors. */
    .macro tap a, b, c, d
    vmladava.s8 r0, q6, \a
    vmladava.s8 r8, q7, \a
    vmladava.s8 r2, q6, \b
    vmladava.s8 r10, q7, \b
    vmladava.s8 r4, q6, \c
    vmladava.s8 r12, q7, \c
    vmladava.s8 r6, q6, \d
    vmladava.s8 lr, q7, \d
    .endm

    .macro weights
    vldrb.u8 q6, [r9], #16
    vldrb.u8 q7, [r9], #16
    .endm

/* Columns 0..5; r1 is at the last of them. */
    .macro block
    weights
    vldrb.u8 q0, [r1, #-80]
    vldrb.u8 q1, [r1, #-64]
    vldrb.u8 q2, [r1, #-48]
    vldrb.u8 q3, [r1, #-32]
    tap q0, q1, q2, q3
    weights
    vldrb.u8 q0, [r1, #-16]
    tap q1, q2, q3, q0
    weights
    vldrb.u8 q1, [r1], #96
    tap q2, q3, q0, q1
    .endm

/* Columns 0 2 4 6 8, r1 is at the last of them, then 1 3 5 7. */
    .macro strided_block
    weights
    vldrb.u8 q0, [r1, #-64]
    vldrb.u8 q1, [r1, #-48]
    vldrb.u8 q2, [r1, #-32]
    vldrb.u8 q3, [r1, #-16]
    tap q0, q1, q2, q3
    weights
    vldrb.u8 q0, [r1], #64
    tap q1, q2, q3, q0
    weights
    vldrb.u8 q0, [r1, #-48]
    vldrb.u8 q1, [r1, #-32]
    vldrb.u8 q2, [r1, #-16]
    vldrb.u8 q3, [r1], #80
    tap q0, q1, q2, q3
    .endm

    .macro all_blocks block
    ldr r3, [sp, #BLOCKS]
    mov r1, r5
.Lblocks\@:
    \block
    \block
    \block
    subs r3, r3, #1
    bne.w .Lblocks\@
    .endm

    .macro row_by_row block
    ldr r1, [r5]
    \block
    ldr r1, [r5, #4]
    \block
    ldr r1, [r5, #8]
    \block
    .endm

    .macro kernel name, window, block
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .balign 4
\name:
    push {r3-r11, lr}
    vpush {d8-d15}
    sub sp, sp, #FRAME_BYTES
    vmov.i32 q0, #0
    vstrw.32 q0, [sp]
    vstrw.32 q0, [sp, #16]
    vldrw.u32 q5, [r0]
    vldrw.u32 q0, [r0, #16]
    vstrw.32 q0, [sp, #FINISH]
    ldrd r5, r9, [r0, #32]
    ldrd r2, r3, [r0, #40]
    strd r2, r3, [sp, #STREAM_END]
    ldr r0, [r0, #16]
    vdup.32 q4, r0
    add r7, sp, #SUMS
    movs r0, #1
    mov r11, r0
.Lpair\@:
    ldm sp, {r0, r2, r4, r6, r8, r10, r12, lr}
    \window \block
    stm r7!, {r0, r2, r4, r6, r8, r10, r12, lr}
    rsbs r11, r11, #0
    bmi.w .Lpair\@
    subs r7, r7, #64
    ldr r0, [sp, #FINISH]
    cbz r0, .Ltwice\@
    load_factors
    finish_once sp, SUMS, 16
.Lstore\@:
    vstrw.32 q6, [q5, #4]!
    ldr r0, [sp, #STREAM_END]
    cmp r9, r0
    bne.w .Lpair\@
    add sp, sp, #FRAME_BYTES
    vpop {d8-d15}
    pop {r3-r11, pc}
.Ltwice\@:
    finish_twice sp, SUMS, 16, r3
    add r0, sp, #FINISH
    clamp
    adds r9, r9, #36
    b .Lstore\@
    .size \name, . - \name
    .endm

    kernel ek_mve_dot_columns, all_blocks, block
    kernel ek_mve_dot_rows, row_by_row, block
    kernel ek_mve_dot_strided_columns, all_blocks, strided_block
