/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A depthwise 3x3 convolution of a run of pixels, all channels, for Armv6-M. Included by one kernel.
 *
 * The idea: channel by channel, so that a channel's weights and constants come from flash in its own order,
 * three to four words by one LDM. They are what MULS overwrites; so each product costs a load of the
 * pixel's element, a multiplication and an addition, and nothing is copied.
 *
 * Registers: r0 weights and constants, r1 element of a row, r2 r3 r4 weights, r5 input, r6 sum, r7 offset of
 * the pixel in a row; r8 r9 r10 rows, r11 bytes between taps, r12 constants of the channel, lr output.
 * Instructions: 60 an output (6.6 a multiply-accumulate), 16 a channel of a run.
 */
#ifndef EDGEKIT_ARMV6M_CHANNEL_RUN_H
#define EDGEKIT_ARMV6M_CHANNEL_RUN_H

#include <stdint.h>

/* The windows of the run's pixels begin in the three rows at the bytes first, first + step, … before end. */
typedef struct ek_channel_run {
    const uint32_t *channels; /* see ek_armv6m_depthwise_conv_2d */
    const uint32_t *channels_end;
    const int8_t *rows[3];
    uint32_t tap_bytes;    /* between neighbouring taps of a row */
    uint32_t output_bytes; /* between neighbouring pixels of the output */
    uint32_t step;
    uint32_t end;
    uint32_t first;
    int8_t *output;
} ek_channel_run;

void ek_armv6m_channel_run(const ek_channel_run *run);

__asm__(".pushsection .text.ek_armv6m_channel_run,\"ax\",%progbits\n"
        ".syntax unified\n"
        ".thumb\n"
        ".p2align 2\n"

        /* r6 += the three products of a row. */
        ".macro ek_row row\n"
        "    mov r1, \\row\n"
        "    ldmia r0!, {r2, r3, r4}\n"
        "    ldrsb r5, [r1, r7]\n"
        "    muls r2, r5, r2\n"
        "    adds r6, r6, r2\n"
        "    add r1, r11\n"
        "    ldrsb r5, [r1, r7]\n"
        "    muls r3, r5, r3\n"
        "    adds r6, r6, r3\n"
        "    add r1, r11\n"
        "    ldrsb r5, [r1, r7]\n"
        "    muls r4, r5, r4\n"
        "    adds r6, r6, r4\n"
        ".endm\n"

        ".global ek_armv6m_channel_run\n"
        ".type ek_armv6m_channel_run, %function\n"
        ".thumb_func\n"
        "ek_armv6m_channel_run:\n"
        "    push {r4-r7, lr}\n"
        "    mov r4, r8\n"
        "    mov r5, r9\n"
        "    mov r6, r10\n"
        "    mov r7, r11\n"
        "    push {r4-r7}\n"
        "    ldmia r0!, {r2-r7}\n"
        "    mov r12, r2\n"
        "    mov r8, r4\n"
        "    mov r9, r5\n"
        "    mov r10, r6\n"
        "    mov r11, r7\n"
        "    mov r1, r3\n"
        "    ldmia r0!, {r3-r7}\n"
        "    mov r2, r7\n"
        "    push {r1, r2}\n"
        "    push {r3, r4, r5, r6}\n" /* sp: output_bytes, step, end, first, channels_end, output */
        ".Lchannel:\n"
        "    ldr r7, [sp, #12]\n"
        "    ldr r1, [sp, #20]\n"
        "    mov lr, r1\n"
        ".Lpixel:\n"
        "    mov r0, r12\n"
        "    ldmia r0!, {r6}\n"
        "    ek_row r8\n"
        "    ek_row r9\n"
        "    ek_row r10\n"
        "    ldmia r0!, {r1-r4}\n" /* x_max, whole, fraction, offset */
        "    cmp r6, r1\n"
        "    bhi .Lcut\n"
        ".Linside:\n"
        "    mov r5, r6\n"
        "    muls r5, r3, r5\n"
        "    lsrs r5, r5, #13\n"
        "    muls r6, r2, r6\n"
        "    adds r6, r6, r5\n"
        "    adds r6, r6, r4\n"
        ".Llevel:\n"
        "    lsrs r6, r6, #24\n"
        "    mov r5, lr\n"
        "    strb r6, [r5]\n"
        "    mov r0, sp\n"
        "    ldmia r0!, {r1, r2, r3}\n"
        "    add lr, r1\n"
        "    adds r7, r7, r2\n"
        "    cmp r7, r3\n"
        "    bne .Lpixel\n"
        "    movs r1, #56\n"
        "    add r12, r1\n"
        "    ldmia r0!, {r1, r2, r4}\n" /* r3 has end */
        "    adds r3, r3, #1\n"
        "    adds r1, r1, #1\n"
        "    adds r4, r4, #1\n"
        "    str r3, [sp, #8]\n"
        "    str r1, [sp, #12]\n"
        "    str r4, [sp, #20]\n"
        "    cmp r12, r2\n"
        "    bne .Lchannel\n"
        "    add sp, #24\n"
        "    pop {r4-r7}\n"
        "    mov r8, r4\n"
        "    mov r9, r5\n"
        "    mov r10, r6\n"
        "    mov r11, r7\n"
        "    pop {r4-r7, pc}\n"
        ".Lcut:\n"
        "    cmp r6, #0\n"
        "    blt 1f\n"
        "    mov r6, r1\n"
        "    b .Linside\n"
        "1:\n"
        "    mov r6, r4\n"
        "    b .Llevel\n"
        ".size ek_armv6m_channel_run, . - ek_armv6m_channel_run\n"
        ".purgem ek_row\n"
        ".popsection\n");

#endif /* EDGEKIT_ARMV6M_CHANNEL_RUN_H */
