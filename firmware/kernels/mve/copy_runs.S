/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_copy_runs(const ek_mve_runs *): bytes of windows to where each window lies as a whole (runs.h).
 * 6 instructions for up to sixteen bytes of a row, and 7 a row.
 *
 * r0 rows left, r1 from, r2 to, r3 row's pointer, r4 rows, r5 first byte, r6 where a row goes, r7 bytes from
 * there to where the next does, r8 times, r9 and r10 steps of from and to. q1 and q2 offsets, P0 lanes.
 */
    .syntax unified
    .thumb

    .section .text.ek_mve_copy_runs, "ax", %progbits
    .global ek_mve_copy_runs
    .type ek_mve_copy_runs, %function
    .balign 4
ek_mve_copy_runs:
    push {r3-r11, lr}
    mov r11, r0
    ldm r11!, {r0, r4-r10}
    ldrd r1, r2, [r11]
    vmsr p0, r1
    vldrb.u8 q1, [r2]
    vldrb.u8 q2, [r2, #16]
.Lrow:
    ldr r1, [r4], #4
    add r1, r1, r5
    mov r2, r6
    dls lr, r8
.Ltime:
    vpstt
    vldrbt.u8 q0, [r1, q1]
    vstrbt.8 q0, [r2, q2]
    add r1, r1, r9
    add r2, r2, r10
    le lr, .Ltime
    add r6, r6, r7
    subs r0, r0, #1
    bne .Lrow
    pop {r3-r11, pc}
    .size ek_mve_copy_runs, . - ek_mve_copy_runs
