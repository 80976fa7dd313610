/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_dot_tiles(const ek_mve_tile *tile): tiles of four output pixels by all filters, from bytes to bytes
 * (tile.h). Its specification is the loop over pixels, filters and depth, and ek_output_lanes of
 * kernels/lanes.h; sums wrap around.
 *
 * Sixteen elements of two filters and four pixels take 6 loads and 8 VMLADAV: 14 instructions for 128 products.
 * The steps of a depth up to 128 are entered so that as many are left as there are; the pixels' addresses are
 * such that the last is always the same, and that one may be short. Greater depths do rounds of seven steps
 * first. To that come 6 for two filters; 21 requantize four filters (finish.inc).
 *
 * Where a depth is a single step, pixels stay in registers: 49 instructions for four filters.
 *
 * Sums:    r0 r2 r4 r6 (first filter), r8 r10 r12 lr (second): VMLADAV adds to even registers only.
 * Pixels:  r1 r3 r5 r7 and q0..q3.  Stream: r9, q6 and q7.  r11 rounds left.  q4 scale, q5 addresses of outputs.
 * P0 lanes of the last step.  N: no further round; nothing but rounds and the loops' ends changes the flags.
 */
#include "finish.inc"

    .syntax unified
    .thumb

    .equ LADDER_STEPS, 7
    .equ LADDER_BYTES, 16 * LADDER_STEPS
    .equ STEP_CODE_BYTES, 56

/* The frame: eight zeros, the sums of four filters, the tile's pixels, and where to go. */
    .equ SUMS, 32
    .equ PIXELS, 96
    .equ TILE, 112
    .equ TILES, 116
    .equ START_A, 120
    .equ START_B, 124
    .equ PARTIAL_A, 128
    .equ PARTIAL_B, 132
    .equ ROUNDS, 136
    .equ TO_FINISH, 140
    .equ STREAM_END, 144
    .equ FRAME_BYTES, 152

/* The structure. */
    .equ OUTPUTS, 16
    .equ STREAM, 32
    .equ DEPTH, 40
    .equ COUNT, 44
    .equ STEPS, 48              /* of pixels and outputs */
    .equ FINISH, 56

    .macro multiply_pixels first, second
    vmladava.s8 r0, \first, q0
    vmladava.s8 r8, \second, q0
    vmladava.s8 r2, \first, q1
    vmladava.s8 r10, \second, q1
    vmladava.s8 r4, \first, q2
    vmladava.s8 r12, \second, q2
    vmladava.s8 r6, \first, q3
    vmladava.s8 lr, \second, q3
    .endm

    .macro step offset
    vldrb.u8 q6, [r9], #16
    vldrb.u8 q7, [r9], #16
    vldrb.u8 q0, [r1, #\offset]
    vldrb.u8 q1, [r3, #\offset]
    vldrb.u8 q2, [r5, #\offset]
    vldrb.u8 q3, [r7, #\offset]
    multiply_pixels q6, q7
    .endm

/* Two filters; their sums go to `sums`. */
    .macro pair name, start, partial, sums
    ldm sp, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldr pc, [sp, #\start]
.Lrounds_\name:
    ldr r11, [sp, #ROUNDS]
    ldrd r1, r3, [sp, #PIXELS]
    ldrd r5, r7, [sp, #(PIXELS + 8)]
    cmp r11, #0
    ldr pc, [sp, #\partial]
.Lround_\name:
    add.w r1, r1, #LADDER_BYTES
    add.w r3, r3, #LADDER_BYTES
    add.w r5, r5, #LADDER_BYTES
    add.w r7, r7, #LADDER_BYTES
    subs r11, r11, #1
    .balign 4
.Lladder_\name:
    step 0
    step 16
    step 32
    step 48
    step 64
    step 80
    step 96
    bpl .Lround_\name
    vldrb.u8 q6, [r9], #16
    vldrb.u8 q7, [r9], #16
    vpstttt
    vldrbt.u8 q0, [r1, #LADDER_BYTES]
    vldrbt.u8 q1, [r3, #LADDER_BYTES]
    vldrbt.u8 q2, [r5, #LADDER_BYTES]
    vldrbt.u8 q3, [r7, #LADDER_BYTES]
    multiply_pixels q6, q7
    add r11, sp, #\sums
    stm r11, {r0, r2, r4, r6, r8, r10, r12, lr}
    .endm

/* Two filters of one step. */
    .macro pair_of_one_step sums
    vldrb.u8 q6, [r9], #16
    vmladav.s8 r0, q6, q0
    vmladav.s8 r2, q6, q1
    vmladav.s8 r4, q6, q2
    vmladav.s8 r6, q6, q3
    vldrb.u8 q6, [r9], #16
    vmladav.s8 r8, q6, q0
    vmladav.s8 r10, q6, q1
    vmladav.s8 r12, q6, q2
    vmladav.s8 lr, q6, q3
    stm \sums, {r0, r2, r4, r6, r8, r10, r12, lr}
    .endm

/* Where the ladder of a pair is entered (r6: steps left out), and where a pair starts if there are rounds. */
    .macro entries name, start, partial
    adr.w r0, .Lladder_\name
    adds r0, r0, #1             /* Thumb */
    movs r1, #STEP_CODE_BYTES
    mla r0, r1, r6, r0
    str r0, [sp, #\partial]
    cmp r5, #0
    itt pl
    adrpl.w r0, .Lrounds_\name
    addpl r0, r0, #1
    str r0, [sp, #\start]
    .endm

    .section .text.ek_mve_dot_tiles, "ax", %progbits
    .global ek_mve_dot_tiles
    .type ek_mve_dot_tiles, %function
    .balign 4
ek_mve_dot_tiles:
    push {r3-r11, lr}
    vpush {d8-d15}
    sub sp, sp, #FRAME_BYTES
    vmov.i32 q0, #0
    vstrw.32 q0, [sp]
    vstrw.32 q0, [sp, #16]
    mov r8, r0
    ldrd r4, r1, [r8, #DEPTH]
    ldr r2, [r8, #(STREAM + 4)]
    strd r8, r1, [sp, #TILE]
    str r2, [sp, #STREAM_END]
    subs r4, r4, #1
    and r0, r4, #15
    adds r0, r0, #1
    vctp.8 r0                   /* the last step's elements */
    lsrs r4, r4, #4             /* steps before */
    subs r5, r4, #1
    it mi
    movmi r5, #0
    movs r0, #LADDER_STEPS
    udiv r5, r5, r0             /* rounds of all steps of the ladder */
    mls r6, r5, r0, r4          /* steps of the first, partial one */
    rsb r6, r6, #LADDER_STEPS   /* those left out */
    lsls r0, r6, #4
    vldrw.u32 q0, [r8]
    vldrw.u32 q5, [r8, #OUTPUTS]
    ldr r1, [r8, #FINISH]
    vdup.32 q4, r1
    movs r2, #4
    vsub.i32 q5, q5, r2
    cmp r1, #0
    it ne
    cmpne r4, #1
    blo .Lone_step              /* once rounded, and no step before the last */
    vsub.i32 q0, q0, r0
    vstrw.32 q0, [sp, #PIXELS]
    adr.w r0, .Lonce
    cmp r1, #0
    it eq
    adreq.w r0, .Ltwice
    adds r0, r0, #1
    str r0, [sp, #TO_FINISH]
    subs r5, r5, #1
    str r5, [sp, #ROUNDS]
    entries a, START_A, PARTIAL_A
    entries b, START_B, PARTIAL_B
.Ltile:
    ldr r0, [sp, #TILE]
    ldrd r9, r0, [r0, #STREAM]
    cmp r9, r0
    ldrd r1, r3, [sp, #PIXELS]
    ldrd r5, r7, [sp, #(PIXELS + 8)]
.Lfilters:
    pair a, START_A, PARTIAL_A, SUMS
    pair b, START_B, PARTIAL_B, (SUMS + 32)
    ldr pc, [sp, #TO_FINISH]
    .balign 4
.Lonce:
    load_factors
    finish_once sp, SUMS, 16
    vstrw.32 q6, [q5, #4]!
    ldr r0, [sp, #STREAM_END]
    cmp r9, r0
    bmi .Lfilters
    b .Lnext
    .balign 4
.Ltwice:
    finish_twice sp, SUMS, 16, r11
    ldr r0, [sp, #TILE]
    add.w r0, r0, #FINISH
    clamp
    vstrw.32 q6, [q5, #4]!
    add.w r9, r9, #36
    ldr r0, [sp, #STREAM_END]
    cmp r9, r0
    bmi .Lfilters
.Lnext:
    ldr r0, [sp, #TILES]
    subs r0, r0, #1
    beq .Lend
    ldr r1, [sp, #TILE]
    str r0, [sp, #TILES]
    ldrd r0, r2, [r1, #STEPS]
    vldrw.u32 q0, [sp, #PIXELS]
    vadd.i32 q0, q0, r0
    vstrw.32 q0, [sp, #PIXELS]
    vadd.i32 q5, q5, r2
    b .Ltile
.Lone_step:
    ldr r11, [sp, #TILES]
    add r1, sp, #SUMS
    add r3, sp, #(SUMS + 32)
.Ltile_of_one_step:
    vstrw.32 q0, [sp, #PIXELS]
    ldrd r0, r2, [sp, #PIXELS]
    ldrd r4, r7, [sp, #(PIXELS + 8)]
    ldr r9, [sp, #TILE]
    ldrd r9, r5, [r9, #STREAM]
    vpstttt
    vldrbt.u8 q0, [r0]
    vldrbt.u8 q1, [r2]
    vldrbt.u8 q2, [r4]
    vldrbt.u8 q3, [r7]
.Lfilters_of_one_step:
    pair_of_one_step r1
    pair_of_one_step r3
    load_factors
    finish_once sp, SUMS, 16
    vstrw.32 q6, [q5, #4]!
    vpst
    vldrbt.u8 q3, [r7]
    cmp r9, r5
    bmi .Lfilters_of_one_step
    ldr r4, [sp, #TILE]
    ldrd r0, r2, [r4, #STEPS]
    vldrw.u32 q0, [sp, #PIXELS]
    vadd.i32 q0, q0, r0
    vadd.i32 q5, q5, r2
    subs.w r11, r11, #1
    bne .Ltile_of_one_step
.Lend:
    add sp, sp, #FRAME_BYTES
    vpop {d8-d15}
    pop {r3-r11, pc}
    .size ek_mve_dot_tiles, . - ek_mve_dot_tiles
