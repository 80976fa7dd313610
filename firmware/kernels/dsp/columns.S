/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of four channels as pairs of int16 (columns.h is the manual). Of two rows 2 LDR, 6 to make pairs, 1 STM
 * and 3 for places and loop, 12 instructions for eight elements; of an odd last row 8 for four.
 *
 * Registers: r0, r1 the two rows, r2 where a column goes, r3 its place in the rows, from the last to the first,
 * r4 step, r5 pitch, r6-r11 elements, r12 rows, lr their end.
 */
    .syntax unified
    .thumb

    .section .text.ek_dsp_expand_columns, "ax", %progbits
    .balign 4
    .global ek_dsp_expand_columns
    .type ek_dsp_expand_columns, %function
    .thumb_func
ek_dsp_expand_columns:
    push {r4-r11, lr}
    ldmia r1, {r4, r5, r12, lr}
    sub r6, r3, #1
    mul r6, r6, r4
    mul r7, r3, r5
    add r7, r7, #16
    sub r8, r0, r5
    sub r8, r8, #16
    push {r2, r6, r7} /* the first column, the last behind it, from before the first to the last of the next pair */
    mov r2, r8
1:  ldmia sp, {r1, r3, r6}
    add r2, r2, r6
    ldr r0, [r12], #4
    add r0, r0, r1
    cmp r12, lr
    beq 3f
    ldr r6, [r12], #4
    add r1, r6, r1
2:  ldr r6, [r0, r3]
    ldr r7, [r1, r3]
    pkhbt r8, r6, r7, lsl #16
    pkhtb r10, r7, r6, asr #16
    sxtb16 r9, r8, ror #8
    sxtb16 r8, r8
    sxtb16 r11, r10, ror #8
    sxtb16 r10, r10
    stmia r2, {r8-r11}
    sub r2, r2, r5
    subs r3, r3, r4
    bhs 2b
    cmp r12, lr
    bne 1b
    b 4f
3:  ldr r6, [r0, r3]
    sxtb16 r8, r6
    sxtb16 r9, r6, ror #8
    strd r8, r9, [r2]
    strd r8, r9, [r2, #8]
    sub r2, r2, r5
    subs r3, r3, r4
    bhs 3b
4:  add sp, sp, #12
    pop {r4-r11, pc}
    .size ek_dsp_expand_columns, . - ek_dsp_expand_columns
