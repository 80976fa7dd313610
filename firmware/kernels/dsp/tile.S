/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All output channels of a tile of three pixels, or of two: the inner loop of the convolutions (tile.h is the
 * manual).
 *
 * Two channels A and B are computed at a time, from weights that lie in halfwords of 256 * A + B: SMLAD with
 * the word as it is sums up 256 * (sum of A) + (sum of B), and one SXTB16 makes of it the weights of B.
 *
 * Of 24 products (four elements of the window, three pixels, two channels) each quad needs
 *     1 LDM of weights, 2 LDM of elements, 2 SXTB16, 12 SMLAD: 17 instructions, 0.71 a product.
 * Of two pixels it needs 12 for 16 products, 0.75. Besides, eight quads, or four, take 2 instructions for the
 * loop, and two channels 27 for three pixels and 20 for two, or 52 and 37 in the exact kernel.
 *
 * Registers: r0 weights, r1 elements, r2-r4 elements of a pair of taps, or r2-r4 and r10 those of a quad of
 * two pixels, r5-r6 weights, r7 end of the elements, r8-r10 sums of A and B, r11, r12, lr sums of B.
 */
#include "finish.inc"

    .syntax unified
    .thumb

/* ek_dsp_tile, from there on */
#define ELEMENTS 20

/* The frame: what is pushed last. */
#define OUTPUT 4
#define ENTRY  20

/* Two taps of three pixels, from the weights \w. The sums start with \start and \start_b. */
.macro pair_of_three w, start_0=r8, start_1=r9, start_2=r10, start_b0=r11, start_b1=r12, start_b2=lr
    ldmia r1!, {r2-r4}
    smlad r9, \w, r3, \start_1
    smlad r10, \w, r4, \start_2
    smlad r8, \w, r2, \start_0
    sxtb16 \w, \w
    smlad r12, \w, r3, \start_b1
    smlad lr, \w, r4, \start_b2
    smlad r11, \w, r2, \start_b0
.endm

/* The same of two pixels, whose elements are \e0 and \e1. */
.macro pair_of_two w, e0, e1, start_1=r9, start_b1=r12
    smlad r9, \w, \e1, \start_1
    smlad r8, \w, \e0, r8
    sxtb16 \w, \w
    smlad r12, \w, \e1, \start_b1
    smlad r11, \w, \e0, r11
.endm

.macro quad pixels
    ldmia r0!, {r5, r6}
    .if \pixels == 3
    pair_of_three r5
    pair_of_three r6
    .else
    ldmia r1!, {r2-r4, r10}
    pair_of_two r5, r2, r3
    pair_of_two r6, r4, r10
    .endif
.endm

/* The first one, which takes up the biases. */
.macro first_quad pixels
    ldmia r0!, {r5, r6, r8, r11}
    .if \pixels == 3
    pair_of_three r5, r8, r8, r8, r11, r11, r11
    pair_of_three r6
    .else
    ldmia r1!, {r2-r4, r10}
    pair_of_two r5, r2, r3, r8, r11
    pair_of_two r6, r4, r10
    .endif
.endm

.macro outputs_fast pixels
    ldmia r0!, {r2-r5}
    scale_fast r11, r2, r3
    scale_fast r12, r2, r3
    scale_fast r8, r4, r5, 10
    scale_fast r9, r4, r5, 10
    .if \pixels == 3
    scale_fast lr, r2, r3
    scale_fast r10, r4, r5, 10
    .endif
.endm

.macro outputs_exact pixels
    ldmia r0!, {r2-r4}
    scale_exact r11
    scale_exact r12
    .if \pixels == 3
    scale_exact lr
    .endif
    ldmia r0!, {r2-r4}
    scale_exact r8, asr, 7
    scale_exact r9, asr, 7
    .if \pixels == 3
    scale_exact r10, asr, 7
    .endif
.endm

/* \quads come behind the first one before the end is looked at: 8 or 4. */
.macro tile name, pixels, quads, stage
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r11, lr}
    mov r2, r1
    add r0, r0, #ELEMENTS
    ldmia r0, {r1, r3-r8}
    add r5, r5, r2
    /* Where the first quad is left for: into the loop, such that its quads are used up. */
    adr r0, 9f
    ldr r6, [r0, r6, lsl #2]
    add r6, r6, r0
    push {r1-r6}
    mov r0, r8
1:  first_quad \pixels
    ldr pc, [sp, #ENTRY]
    .if \quads == 8
18: quad \pixels
17: quad \pixels
16: quad \pixels
15: quad \pixels
    .endif
14: quad \pixels
13: quad \pixels
12: quad \pixels
11: quad \pixels
    cmp r1, r7
    bne 1\quads\()b
10: sub r8, r8, r11
    sub r9, r9, r12
    .if \pixels == 3
    sub r10, r10, lr
    .endif
    \stage \pixels
    ldmia sp, {r1-r5} /* elements, output, distances of the other pixels, the last channel of the first */
    .if \pixels == 3
    strb lr, [r2, r4]
    .endif
    strb r12, [r2, r3]
    strb r11, [r2], #1
    .if \pixels == 3
    strb r10, [r2, r4]
    .endif
    strb r9, [r2, r3]
    strb r8, [r2], #1
    next_two 1b, r5, OUTPUT
    add sp, sp, #24
    pop {r4-r11, pc}
    .balign 4
9:  .word 10b - 9b + 1, 11b - 9b + 1, 12b - 9b + 1, 13b - 9b + 1, 14b - 9b + 1
    .if \quads == 8
    .word 15b - 9b + 1, 16b - 9b + 1, 17b - 9b + 1, 18b - 9b + 1
    .endif
    .size \name, . - \name
.endm

    tile ek_dsp_tile_of_three, 3, 8, outputs_fast
    tile ek_dsp_tile_of_two, 2, 4, outputs_fast
    tile ek_dsp_tile_of_three_exact, 3, 8, outputs_exact
    tile ek_dsp_tile_of_two_exact, 2, 4, outputs_exact
