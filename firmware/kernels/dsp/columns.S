/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uint32_t *ek_dsp_expand_columns(const int8_t *row_0, row_1, row_2, uint32_t *columns, uint32_t end, uint32_t
 * step): four channels of columns of three rows, made ready for the products of a depthwise window of height 3
 * (depthwise_columns.h is the manual).
 *
 * A column needs 18 instructions: 0.5 for each product where the stride is 1.
 *
 * Registers: r0-r2 rows, r3 columns, r4-r9 what is stored, r10 and r11 channels 1 and 3 of two rows, r12 offset
 * of the column in each row, lr where it ends.
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
    ldr lr, [sp, #36]
    mov r12, #0
1:  ldr r4, [r0, r12]
    ldr r5, [r1, r12]
    ldr r6, [r2, r12]
    sxtb16 r7, r4
    sxtb16 r8, r5
    sxtb16 r10, r4, ror #8
    sxtb16 r11, r5, ror #8
    sxtb16 r9, r6, ror #8
    sxtb16 r6, r6
    pkhbt r4, r7, r8, lsl #16
    pkhtb r5, r8, r7, asr #16
    pkhbt r7, r10, r11, lsl #16
    pkhtb r8, r11, r10, asr #16
    stmia r3!, {r4-r9}
    ldr r4, [sp, #40]
    add r12, r12, r4
    cmp r12, lr
    bne 1b
    mov r0, r3
    pop {r4-r11, pc}
    .size ek_dsp_expand_columns, . - ek_dsp_expand_columns
