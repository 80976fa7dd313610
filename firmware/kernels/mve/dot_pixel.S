/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_dot_pixel(const ek_mve_tile *tile): one output pixel by all filters, from bytes to bytes (tile.h).
 * Four filters share a load of the pixel: 10 instructions for 64 products, and 26 for four filters.
 *
 * r0 r2 r4 r6 sums. r1 weights of the first two filters, r3 those of the others, then factors. r5 pixel, r7
 * output, r8 the pixel's first byte, r9 end of the stream, r10 bytes of two filters, r11 steps before the last,
 * r12 scale. P0 lanes of the last step. q5 and q6 clamps, r12 zero point where roundings are two.
 */
    .syntax unified
    .thumb

    .macro step stream, first, second
    vldrb.u8 q1, [\stream], #16
    vldrb.u8 q2, [\stream], #16
    vmladava.s8 \first, q0, q1
    vmladava.s8 \second, q0, q2
    .endm

/* q0: the dot products with four filters. r3: behind their weights. */
    .macro dot
    mov r5, r8
    add r3, r1, r10
    ldm sp, {r0, r2, r4, r6}
    wls lr, r11, .Llast\@
.Lstep\@:
    vldrb.u8 q0, [r5], #16
    step r1, r0, r2
    step r3, r4, r6
    le lr, .Lstep\@
.Llast\@:
    vpst
    vldrbt.u8 q0, [r5]
    step r1, r0, r2
    step r3, r4, r6
    vmov q0[2], q0[0], r0, r4
    vmov q0[3], q0[1], r2, r6
    .endm

    .section .text.ek_mve_dot_pixel, "ax", %progbits
    .global ek_mve_dot_pixel
    .type ek_mve_dot_pixel, %function
    .balign 4
ek_mve_dot_pixel:
    push {r3-r11, lr}
    vpush {d8-d13}
    sub sp, sp, #16
    vmov.i32 q0, #0
    vstrw.32 q0, [sp]           /* four zeros */
    ldr r8, [r0]
    ldr r7, [r0, #16]
    ldrd r1, r9, [r0, #32]
    ldr r11, [r0, #40]
    subs r11, r11, #1
    and r2, r11, #15
    adds r2, r2, #1
    vctp.8 r2
    lsrs r11, r11, #4
    add r10, r11, #1
    lsls r10, r10, #5
    ldrd r12, r4, [r0, #56]
    ldrd r2, r3, [r0, #64]
    vdup.32 q5, r2
    vdup.32 q6, r3
    cmp r12, #0
    it eq
    moveq r12, r4
    beq .Ltwo_roundings
.Lfilters:
    dot
    vldrw.u32 q1, [r3], #16
    vmla.s32 q1, q0, r12
    vldrw.u32 q2, [r3], #16
    vqdmulh.s32 q1, q1, q2
    vqrshrnb.s32 q1, q1, #12    /* fine_sums.py */
    vqmovnb.s16 q1, q1
    vstrb.32 q1, [r7], #4
    mov r1, r3
    cmp r1, r9
    bne .Lfilters
    b .Lend
.Ltwo_roundings:
    dot
    vldrw.u32 q1, [r3], #16
    vadd.i32 q0, q0, q1
    vldrw.u32 q2, [r3], #16
    vqrdmulh.s32 q0, q0, q2
    vldrb.s32 q3, [r3], #4
    vshr.s32 q1, q0, #31
    vadd.i32 q0, q0, q1
    vrshl.s32 q0, q0, q3
    vadd.i32 q0, q0, r12
    vmax.s32 q0, q0, q5
    vmin.s32 q0, q0, q6
    vstrb.32 q0, [r7], #4
    mov r1, r3
    cmp r1, r9
    bne .Ltwo_roundings
.Lend:
    add sp, sp, #16
    vpop {d8-d13}
    pop {r3-r11, pc}
    .size ek_mve_dot_pixel, . - ek_mve_dot_pixel
