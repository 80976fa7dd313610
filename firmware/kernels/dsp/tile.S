/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All output channels of a tile of three pixels: the inner loop of the convolutions (tile.h is the manual).
 *
 * Two channels A and B are computed at a time, from weights that lie in halfwords of 256 * A + B: SMLAD with
 * the word as it is sums up 256 * (sum of A) + (sum of B), and one SXTB16 makes of it the weights of B.
 *
 * Of 24 products (four elements of the window, three pixels, two channels) each quad needs
 *     1 LDM of weights, 2 LDM of elements, 2 SXTB16, 12 SMLAD: 17 instructions, 0.71 a product,
 * and 0.05 more for the loop of four quads. Two channels need besides 32 for three pixels, or 57 in the
 * exact kernel.
 *
 * A tile of two pixels or one, at the end of a row, leaves the third out: 13 instructions a quad.
 *
 * Registers: r0 weights, r1 elements, r2-r4 elements of a pair of taps, r5-r6 weights, r7 those of B,
 * r8-r10 sums of A and B, r11, r12, lr sums of B.
 */
    .syntax unified
    .thumb

/* The frame: arguments 0 to 3 as pushed, the saved registers, the other arguments. */
#define OUTPUT   0
#define ELEMENTS 52
#define END      56
#define ENTRY    60
#define STREAM   64

/* Two taps of three pixels, from the weights \w. */
.macro pair w, next_c0, next_c1, next_c2, next_b0, next_b1, next_b2
    ldmia r1!, {r2-r4}
    sxtb16 r7, \w
    smlad r9, \w, r3, \next_c1
    smlad r10, \w, r4, \next_c2
    smlad r8, \w, r2, \next_c0
    smlad r12, r7, r3, \next_b1
    smlad lr, r7, r4, \next_b2
    smlad r11, r7, r2, \next_b0
.endm

/* The same of two pixels. */
.macro pair_of_two w
    ldmia r1!, {r2-r4}
    sxtb16 r7, \w
    smlad r8, \w, r2, r8
    smlad r9, \w, r3, r9
    smlad r11, r7, r2, r11
    smlad r12, r7, r3, r12
.endm

.macro quad
    ldmia r0!, {r5, r6}
    pair r5, r8, r9, r10, r11, r12, lr
    pair r6, r8, r9, r10, r11, r12, lr
.endm

.macro quad_of_two
    ldmia r0!, {r5, r6}
    pair_of_two r5
    pair_of_two r6
.endm

/* The output from the sum, \bits bits of whose scaled value are behind the point. */
.macro scale_fast sum, bits
    smmla \sum, \sum, r2, r3
    ssat \sum, #8, \sum, asr #\bits
.endm

/* r2 multiplier, r3 rounding, r4 shift to the right. */
.macro scale_exact sum
    lsl \sum, \sum, #1
    smmulr \sum, \sum, r2
    add \sum, \sum, \sum, asr #31
    add \sum, \sum, r3
    asr \sum, \sum, r4
    ssat \sum, #8, \sum
.endm

.macro tile name, is_exact
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    push {r0-r3}
    ldr r0, [sp, #STREAM]
    ldr r1, [sp, #ELEMENTS]
    /* Where the first quad is left for: into the loops, such that their quads are used up. */
    ldr r2, [sp, #ENTRY]
    adr r3, 9f
    ldr r2, [r3, r2, lsl #2]
    add r2, r2, r3
    str r2, [sp, #ENTRY]
1:  /* The first quad takes up the biases. */
    ldmia r0!, {r8, r11}
    ldmia r0!, {r5, r6}
    pair r5, r8, r8, r8, r11, r11, r11
    pair r6, r8, r9, r10, r11, r12, lr
    ldr pc, [sp, #ENTRY]
14: quad
13: quad
12: quad
11: quad
    ldr r7, [sp, #END]
    cmp r1, r7
    bne 14b
10:
    .if \is_exact
    sub r8, r8, r11
    sub r9, r9, r12
    sub r10, r10, lr
    asr r8, r8, #8
    asr r9, r9, #8
    asr r10, r10, #8
    ldmia r0!, {r2-r4}
    scale_exact r11
    scale_exact r12
    scale_exact lr
    ldmia r0!, {r2-r4}
    scale_exact r8
    scale_exact r9
    scale_exact r10
    .else
    ldmia r0!, {r2-r5}
    sub r8, r8, r11
    sub r9, r9, r12
    sub r10, r10, lr
    scale_fast r11, 2
    scale_fast r12, 2
    scale_fast lr, 2
    smmla r8, r8, r4, r5
    smmla r9, r9, r4, r5
    smmla r10, r10, r4, r5
    ssat r8, #8, r8, asr #10
    ssat r9, #8, r9, asr #10
    ssat r10, #8, r10, asr #10
    .endif
    ldmia sp, {r1-r4} /* output, distances of the other pixels, the last channel of the first */
    strb lr, [r1, r3] /* a pixel that is missing lies at the place of the one before it, which is next */
    strb r12, [r1, r2]
    strb r11, [r1], #1
    strb r10, [r1, r3]
    strb r9, [r1, r2]
    strb r8, [r1], #1
2:  str r1, [sp, #OUTPUT]
    cmp r1, r4
    ldr r1, [sp, #ELEMENTS]
    blo 1b
    bhi 3f
    /* An odd channel is left: the last two are computed, the one before it again. */
    sub r1, r4, #1
    str r1, [sp, #OUTPUT]
    ldr r1, [sp, #ELEMENTS]
    b 1b
3:  add sp, sp, #16
    pop {r4-r11, pc}
16: quad_of_two
15: quad_of_two
    ldr r7, [sp, #END]
    cmp r1, r7
    bne 16b
    b 10b
    .balign 4
9:  .word 10b - 9b + 1, 11b - 9b + 1, 12b - 9b + 1, 13b - 9b + 1, 14b - 9b + 1, 15b - 9b + 1, 16b - 9b + 1
    .size \name, . - \name
.endm

    tile ek_dsp_tile, 0
    tile ek_dsp_tile_exact, 1
