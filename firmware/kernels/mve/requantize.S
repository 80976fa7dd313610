/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_requantize(const ek_mve_requantization *): sums of up to four pixels become int8, four channels at
 * a time (tile.h). Its specification is ek_output_lanes in kernels/lanes.h.
 *
 * VQRDMULH is the first rounding to the bit, VRSHL the second but for the ties of negative numbers, which
 * one subtracted before moves away from zero; where none of these is visible that is left out. The narrowing
 * halves interleave, so that a pixel's four channels end as one word. 35 instructions for 16 bytes, 43 with
 * the ties. Where results are 0..255 above a zero point of -128, as behind a ReLU, they saturate by themselves,
 * and most groups have factors for a single rounding: 27.
 *
 * Factors of a group: r0..r3 biases, r4..r7 multipliers, r8 shifts. r9 factors, r10 sums, r11 output,
 * r12 zero point, lr groups. q0..q3 sums, q4 pixel offsets, q5 and q6 clamps, P0 pixels. N: ties; C: bytes.
 */
    .syntax unified
    .thumb

    .macro shifted              /* q0..q3: the results without zero point and ties */
    vrshl.s32 q0, r8
    ror r8, r8, #8
    vrshl.s32 q1, r8
    ror r8, r8, #8
    vrshl.s32 q2, r8
    ror r8, r8, #8
    vrshl.s32 q3, r8
    vqmovnb.s32 q0, q0
    vqmovnb.s32 q1, q1
    vqmovnt.s32 q0, q2
    vqmovnt.s32 q1, q3
    .endm

    .macro scaled               /* q0..q3: the sums with bias, times the multipliers */
    vldrw.u32 q0, [r10], #16
    vadd.i32 q0, q0, r0
    vldrw.u32 q1, [r10], #16
    vqrdmulh.s32 q0, q0, r4
    vadd.i32 q1, q1, r1
    vldrw.u32 q2, [r10], #16
    vqrdmulh.s32 q1, q1, r5
    vadd.i32 q2, q2, r2
    vldrw.u32 q3, [r10], #16
    vqrdmulh.s32 q2, q2, r6
    vadd.i32 q3, q3, r3
    vqrdmulh.s32 q3, q3, r7
    .endm

    .section .text.ek_mve_requantize, "ax", %progbits
    .global ek_mve_requantize
    .type ek_mve_requantize, %function
    .balign 4
ek_mve_requantize:
    push {r4-r11, lr}
    vpush {d8-d15}
    ldrd r3, r4, [r0, #36]
    vctp.32 r3
    movs r6, #0
    vidup.u32 q4, r6, #1
    vmul.i32 q4, q4, r4
    ldrd r10, r9, [r0]
    ldrd r11, lr, [r0, #8]
    dls lr, lr
    ldrd r2, r1, [r0, #28]
    cmp r1, #0
    bne .Lsaturating
    ldrd r12, r1, [r0, #16]
    vdup.8 q5, r1
    ldr r1, [r0, #24]
    vdup.8 q6, r1
    lsls r2, r2, #31            /* nothing below changes the flags */
.Lgroup:
    ldm r9!, {r0-r8}
    scaled
    bpl .Lshift
    vshr.s32 q7, q0, #31
    vadd.i32 q0, q0, q7
    vshr.s32 q7, q1, #31
    vadd.i32 q1, q1, q7
    vshr.s32 q7, q2, #31
    vadd.i32 q2, q2, q7
    vshr.s32 q7, q3, #31
    vadd.i32 q3, q3, q7
.Lshift:
    shifted
    vqadd.s16 q0, q0, r12
    vqadd.s16 q1, q1, r12
    vqmovnb.s16 q0, q0
    vqmovnt.s16 q0, q1
    vmax.s8 q0, q0, q5
    vmin.s8 q0, q0, q6
    bcs .Lbytes
    vpst
    vstrwt.32 q0, [r11, q4]
    add r11, r11, #4
    le lr, .Lgroup
    vpop {d8-d15}
    pop {r4-r11, pc}
.Lsaturating:
    vdup.32 q5, r1
    mvn r12, #127
.Lsaturating_group:
    ldm r9!, {r0-r8}
    cmp r8, #0
    bne .Ldouble_rounding
    vldrw.u32 q0, [r10], #16
    vmlas.s32 q0, q5, r0
    vldrw.u32 q1, [r10], #16
    vqdmulh.s32 q0, q0, r4
    vmlas.s32 q1, q5, r1
    vldrw.u32 q2, [r10], #16
    vqdmulh.s32 q1, q1, r5
    vmlas.s32 q2, q5, r2
    vldrw.u32 q3, [r10], #16
    vqdmulh.s32 q2, q2, r6
    vmlas.s32 q3, q5, r3
    vqdmulh.s32 q3, q3, r7
    vqrshrnb.s32 q0, q0, #8
    vqrshrnb.s32 q1, q1, #8
    vqrshrnt.s32 q0, q2, #8
    vqrshrnt.s32 q1, q3, #8
    vqmovunb.s16 q0, q0
    vqmovunt.s16 q0, q1
    vadd.i8 q0, q0, r12
    vpst
    vstrwt.32 q0, [r11, q4]
    add r11, r11, #4
    le lr, .Lsaturating_group
    vpop {d8-d15}
    pop {r4-r11, pc}
.Ldouble_rounding:
    scaled
    shifted
    vqmovunb.s16 q0, q0
    vqmovunt.s16 q0, q1
    vadd.i8 q0, q0, r12
    vpst
    vstrwt.32 q0, [r11, q4]
    add r11, r11, #4
    le lr, .Lsaturating_group
    vpop {d8-d15}
    pop {r4-r11, pc}
.Lbytes:
    vpst
    vstrbt.32 q0, [r11, q4]
    vshr.u32 q0, q0, #8
    add r11, r11, #1
    vpst
    vstrbt.32 q0, [r11, q4]
    vshr.u32 q0, q0, #8
    add r11, r11, #1
    vpst
    vstrbt.32 q0, [r11, q4]
    vshr.u32 q0, q0, #8
    add r11, r11, #1
    vpst
    vstrbt.32 q0, [r11, q4]
    add r11, r11, #1
    le lr, .Lgroup
    vpop {d8-d15}
    pop {r4-r11, pc}
    .size ek_mve_requantize, . - ek_mve_requantize
