/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_interleave(const ek_mve_columns *): see depthwise.h. Of each row eight columns are loaded once;
 * three overlapping stores of four vectors interleave them: 37 instructions for 16 channels and 6 pixels of a
 * row, 0.4 an output. Columns outside keep the zero point that all are filled with at first.
 *
 * q0..q7 columns. r1 step, r2 quads, r3 lanes, r4 where to begin, r5 column, r6 rows, r7 whether to skip the
 * first, r12 rows left. The loop over lanes runs once: it predicates the loads.
 */
    .syntax unified
    .thumb

    .macro column vector
    vldrb.u8 \vector, [r5]
    sub.w r5, r5, r1
    .endm

    .section .text.ek_mve_interleave, "ax", %progbits
    .global ek_mve_interleave
    .type ek_mve_interleave, %function
    .balign 4
ek_mve_interleave:
    push {r4-r7, lr}
    vpush {d8-d15}
    mov r6, r0
    ldrd r2, r1, [r0, #12]
    ldrd r3, r5, [r0, #20]
    ldrd r7, r12, [r0, #28]
    vdup.8 q0, r12
    vmov q1, q0
    vmov q2, q0
    vmov q3, q0
    vmov q4, q0
    vmov q5, q0
    vmov q6, q0
    vmov q7, q0
    adr r4, .Lcolumns
    adds r4, r4, #65            /* behind eight columns of 8 bytes, Thumb */
    sub r4, r4, r5, lsl #3
    mov r12, #3
.Lrow:
    ldr r5, [r6], #4
    dlstp.8 lr, r3
.Llanes:
    bx r4
    .balign 4
.Lcolumns:
    column q7
    column q6
    column q5
    column q4
    column q3
    column q2
    column q1
    cbnz r7, .Lloaded
    vldrb.u8 q0, [r5]
.Lloaded:
    letp lr, .Llanes
    vst40.8 {q0, q1, q2, q3}, [r2]
    vst41.8 {q0, q1, q2, q3}, [r2]
    vst42.8 {q0, q1, q2, q3}, [r2]
    vst43.8 {q0, q1, q2, q3}, [r2]!
    vst40.8 {q2, q3, q4, q5}, [r2]
    vst41.8 {q2, q3, q4, q5}, [r2]
    vst42.8 {q2, q3, q4, q5}, [r2]
    vst43.8 {q2, q3, q4, q5}, [r2]!
    vst40.8 {q4, q5, q6, q7}, [r2]
    vst41.8 {q4, q5, q6, q7}, [r2]
    vst42.8 {q4, q5, q6, q7}, [r2]
    vst43.8 {q4, q5, q6, q7}, [r2]!
    subs r12, r12, #1
    bne .Lrow
    vpop {d8-d15}
    pop {r4-r7, pc}
    .size ek_mve_interleave, . - ek_mve_interleave
