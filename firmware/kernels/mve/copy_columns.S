/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_copy_columns(const ek_mve_column_copy *): columns of three rows, sixteen channels at a time
 * (columns.h). 4 instructions for 16 bytes, and 6 for a block.
 *
 * r0 rows left, r1 from, r2 to, r3 the block's first byte, r4 next row, r5 bytes from a column to the next,
 * r6 columns, r7 first byte in a row, r8 next block's slot, r9 blocks, r10 bytes of a block, r11 blocks left.
 */
    .syntax unified
    .thumb

    .section .text.ek_mve_copy_columns, "ax", %progbits
    .global ek_mve_copy_columns
    .type ek_mve_copy_columns, %function
    .balign 4
ek_mve_copy_columns:
    push {r3-r11, lr}
    ldm r0, {r4-r10}
    movs r0, #3
.Lrow:
    ldr r3, [r4], #4
    adds r3, r3, r7
    mov r11, r9
.Lblock:
    mov r1, r3
    mov r2, r8
    dls lr, r6
.Lcolumn:
    vldrb.u8 q0, [r1]
    add r1, r1, r5
    vstrb.8 q0, [r2], #16
    le lr, .Lcolumn
    adds r3, r3, #16
    add r8, r8, r10
    subs.w r11, r11, #1
    bne .Lblock
    subs r0, r0, #1
    bne .Lrow
    pop {r3-r11, pc}
    .size ek_mve_copy_columns, . - ek_mve_copy_columns
