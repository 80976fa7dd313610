/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_dot_tile(const ek_mve_tile *tile): dot products of four pixels with two filters at a time
 * (tile.h). Its specification is the loop over filters, pixels and depth; sums wrap around.
 *
 * Sixteen elements of two filters and four pixels take 6 loads and 8 VMLADAV: 14 instructions for 128
 * products, 0.11 each; to that come 9 for two filters, and 2 for each round of four steps. The first step is the one that
 * may be short: its loads are predicated to the upper lanes, and its VMLADAV do not accumulate, so that no sum
 * need be cleared. Where it is the only one, the pixels stay in registers: 13 instructions for two filters.
 *
 * Sums:    r0 r2 r4 r6 (first filter), r8 r10 r12 lr (second): VMLADAV adds to even registers only.
 * Pixels:  r1 r3 r5 r7 and q0..q3.  Weights: r9 and q4.  Loops: r11.  All else is on the stack.
 */
    .syntax unified
    .thumb

    .equ FRAME_LOOPS, 16        /* behind the four pixels */
    .equ FRAME_ENTRY, 20
    .equ FRAME_SUMS, 24
    .equ FRAME_BYTES, 36
    .equ STEP_BYTES, 56

    .macro multiply_first
    vmladav.s8 r0, q4, q0
    vmladav.s8 r2, q4, q1
    vmladav.s8 r4, q4, q2
    vmladav.s8 r6, q4, q3
    vldrb.u8 q4, [r9], #16
    vmladav.s8 r8, q4, q0
    vmladav.s8 r10, q4, q1
    vmladav.s8 r12, q4, q2
    vmladav.s8 lr, q4, q3
    .endm

    .macro step
    vldrb.u8 q4, [r9], #16
    vldrb.u8 q0, [r1], #16
    vmladava.s8 r0, q4, q0
    vldrb.u8 q1, [r3], #16
    vmladava.s8 r2, q4, q1
    vldrb.u8 q2, [r5], #16
    vmladava.s8 r4, q4, q2
    vldrb.u8 q3, [r7], #16
    vmladava.s8 r6, q4, q3
    vldrb.u8 q4, [r9], #16
    vmladava.s8 r8, q4, q0
    vmladava.s8 r10, q4, q1
    vmladava.s8 r12, q4, q2
    vmladava.s8 lr, q4, q3
    .endm

    .section .text.ek_mve_dot_tile, "ax", %progbits
    .global ek_mve_dot_tile
    .type ek_mve_dot_tile, %function
    .balign 4
ek_mve_dot_tile:
    push {r4-r11, lr}
    vpush {d8, d9}
    sub sp, sp, #FRAME_BYTES
    ldr r2, [r0, #28]           /* depth */
    subs r2, r2, #1
    lsrs r4, r2, #4             /* steps after the first */
    and r2, r2, #15
    rsb r2, r2, #15             /* lanes that the first leaves out */
    vctp.8 r2
    vpnot
    ldm r0, {r1, r3, r5, r7, r9}
    subs r1, r1, r2
    subs r3, r3, r2
    subs r5, r5, r2
    subs r7, r7, r2
    cmp r4, #0
    beq .Lone_step
    stm sp, {r1, r3, r5, r7}
    ldrd r6, r8, [r0, #20]
    strd r6, r8, [sp, #FRAME_SUMS]
    rsb r6, r4, #0
    and r6, r6, #3              /* steps to leave out of the first round of four */
    movs r8, #STEP_BYTES
    mul r6, r6, r8
    adr r8, .Lround
    add r6, r6, r8
    adds r6, r6, #1             /* Thumb */
    adds r4, r4, #3
    lsrs r4, r4, #2
    strd r4, r6, [sp, #FRAME_LOOPS]
.Lfilters:
    ldm sp, {r1, r3, r5, r7, r11}
    vldrb.u8 q4, [r9], #16
    vpstttt
    vldrbt.u8 q0, [r1], #16
    vldrbt.u8 q1, [r3], #16
    vldrbt.u8 q2, [r5], #16
    vldrbt.u8 q3, [r7], #16
    multiply_first
    ldr pc, [sp, #FRAME_ENTRY]
    .balign 4
.Lround:
    step
    step
    step
    step
    subs r11, r11, #1
    bne .Lround
    ldrd r1, r3, [sp, #FRAME_SUMS]
    stm r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    str r1, [sp, #FRAME_SUMS]
    cmp r1, r3
    bne .Lfilters
    b .Lend
.Lone_step:
    vpstttt
    vldrbt.u8 q0, [r1]
    vldrbt.u8 q1, [r3]
    vldrbt.u8 q2, [r5]
    vldrbt.u8 q3, [r7]
    ldrd r1, r3, [r0, #20]
.Lfilters_of_one_step:
    vldrb.u8 q4, [r9], #16
    multiply_first
    stm r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    cmp r1, r3
    bne .Lfilters_of_one_step
.Lend:
    add sp, sp, #FRAME_BYTES
    vpop {d8, d9}
    pop {r4-r11, pc}
    .size ek_mve_dot_tile, . - ek_mve_dot_tile
