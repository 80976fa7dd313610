/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_copy_windows(const ek_mve_windows *): the windows of four neighbouring output pixels, all inside
 * the input, each to a patch of its own (copy.h). 9 instructions for 64 bytes and 18 a row.
 *
 * r1..r4 windows in the row, r5..r8 patches, r9 rows, r10 bytes of a window's row, r11 rows left, r12 first
 * byte, r0 bytes from a window to the next.
 */
    .syntax unified
    .thumb

    .section .text.ek_mve_copy_windows, "ax", %progbits
    .global ek_mve_copy_windows
    .type ek_mve_copy_windows, %function
    .balign 4
ek_mve_copy_windows:
    push {r3-r11, lr}
    ldm r0, {r5, r9-r12}        /* patches, rows, run, height, first */
    ldr r0, [r0, #20]
    mul r1, r10, r11
    add r6, r5, r1
    add r7, r6, r1
    add r8, r7, r1
    rsb r1, r10, #0
    and r1, r1, #15
    str r1, [sp]                /* how far stores of sixteen bytes overshoot a row */
.Lrow:
    ldr r1, [r9], #4
    add r1, r1, r12
    adds r2, r1, r0
    adds r3, r2, r0
    adds r4, r3, r0
    dlstp.8 lr, r10
.Lbytes:
    vldrb.u8 q0, [r1], #16
    vstrb.8 q0, [r5], #16
    vldrb.u8 q1, [r2], #16
    vstrb.8 q1, [r6], #16
    vldrb.u8 q2, [r3], #16
    vstrb.8 q2, [r7], #16
    vldrb.u8 q3, [r4], #16
    vstrb.8 q3, [r8], #16
    letp lr, .Lbytes
    ldr r1, [sp]
    cbz r1, .Lnext
    subs r5, r5, r1
    subs r6, r6, r1
    subs r7, r7, r1
    sub r8, r8, r1
.Lnext:
    subs r11, r11, #1
    bne .Lrow
    pop {r3-r11, pc}
    .size ek_mve_copy_windows, . - ek_mve_copy_windows
