/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All filters of a convolution on four or two pixels, for Armv6-M: tile.h is the manual, tile_c.h has the same
 * in C.
 *
 * Registers: r0 stream, r1 words of the pixels, r2 quad, r3 weight, r4 r5 sums of a quad for both pairs of
 * pixels, r6 r7 products; r8 r9 total, r10 r11 high, r12 32768, lr end of the run.
 * Instructions: 34 a quad (2.1 a multiply-accumulate; 23 for one pair), 12 a run, 26 a couple, 17 an output
 * (20 where signed).
 */
    .syntax unified
    .thumb

/* The frame, above the saved registers. */
#define STREAM_END 0
#define WORDS      4
#define OUTPUT     8
#define OFFSET_1   12
#define OFFSET_2   16
#define OFFSET_3   20
#define FRAME      24

.macro load_32768
    movs r1, #128
    lsls r1, r1, #8
    mov r12, r1
.endm

/* r4 and r5 are the products of the pixels' next words with a weight, the first of a quad or a couple. */
.macro first_products weight, pairs
    ldmia r1!, {r4, r5}
    muls r4, \weight, r4
.if \pairs > 1
    muls r5, \weight, r5
.endif
.endm

/* The next weight's products are added to r4 and r5. */
.macro products weight, pairs
    ldmia r1!, {r6, r7}
    muls r6, \weight, r6
.if \pairs > 1
    muls r7, \weight, r7
.endif
    adds r4, r4, r6
.if \pairs > 1
    adds r5, r5, r7
.endif
.endm

/* What r4 and r5 have goes to the sums. */
.macro add_to_sums pairs
    add r4, r12
    add r8, r4
    asrs r4, r4, #16
    add r10, r4
.if \pairs > 1
    add r5, r12
    add r9, r5
    asrs r5, r5, #16
    add r11, r5
.endif
.endm

.macro quad pairs
    ldmia r0!, {r2}
    sxtb r3, r2
    first_products r3, \pairs
    asrs r2, r2, #8
    sxtb r3, r2
    products r3, \pairs
    asrs r2, r2, #8
    sxtb r3, r2
    products r3, \pairs
    asrs r2, r2, #8
    products r2, \pairs
    add_to_sums \pairs
.endm

/* r2 = the next weight of a couple, r1: the words of its element; r3: those of all. */
.macro scattered_weight
    ldmia r0!, {r2}
    uxth r1, r2
    adds r1, r1, r3
    asrs r2, r2, #24
.endm

/* r2: x, becomes the output. r3 x_max, r4 whole, r5 fraction, r6 offset, lr zero, r12 -drop. */
.macro requantize name, pixel, is_signed
    cmp r2, r3
    bhi .Lcut\pixel\()_\name
.Linside\pixel\()_\name:
    mov r7, r2
    muls r7, r5, r7
    lsrs r7, r7, #13
.if \is_signed
    cmp r2, lr
    muls r2, r4, r2 /* leaves the carry alone */
    bcs 1f
    add r2, r12
1:
.else
    muls r2, r4, r2
.endif
    adds r2, r2, r7
    adds r2, r2, r6
.Llevel\pixel\()_\name:
    lsrs r2, r2, #24
.endm

/* Where requantize goes with an x outside 0..x_max. */
.macro cut name, pixel, is_signed
.Lcut\pixel\()_\name:
    cmp r2, #0
    blt 1f
    mov r2, r3
    b .Linside\pixel\()_\name
1:
.if \is_signed
    movs r2, #0
    b .Linside\pixel\()_\name
.else
    mov r2, r6
    b .Llevel\pixel\()_\name
.endif
.endm

/* Two pixels' outputs, from their sums; r1 points to the output of pixel 0. */
.macro outputs name, total, high, first, first_offset, second, second_offset, is_signed
    mov r2, \total
    mov r7, \high
    lsls r7, r7, #16
    subs r2, r2, r7
    requantize \name, \first, \is_signed
.if \first > 0
    ldr r7, [sp, #\first_offset]
    strb r2, [r1, r7]
.else
    strb r2, [r1]
.endif
    mov r2, \high
    requantize \name, \second, \is_signed
    ldr r7, [sp, #\second_offset]
    strb r2, [r1, r7]
.endm

.macro tile name, is_signed, pairs
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    ldmia r0!, {r1-r7}
    push {r2-r7}
    mov r0, r1
    load_32768
.Lfilter_\name:
.if \is_signed
    load_32768
.endif
    ldmia r0!, {r2, r3}
    mov r8, r2
    mov r9, r2
    mov r10, r3
    mov r11, r3
.Lrun_\name:
    ldmia r0!, {r2}
    lsrs r3, r2, #16
    beq .Lcouples_\name
    adds r3, r3, r0
    mov lr, r3
    uxth r1, r2
    ldr r3, [sp, #WORDS]
    adds r1, r1, r3
    lsls r2, r2, #14 /* the carry: whether the number of quads is odd */
    bcs .Lsecond_\name
.Lquads_\name:
    quad \pairs
.Lsecond_\name:
    quad \pairs
    cmp r0, lr
    bne .Lquads_\name
    b .Lrun_\name
.Lcouples_\name:
    cmp r2, #0
    beq .Loutputs_\name
    adds r2, r2, r0
    mov lr, r2
    ldr r3, [sp, #WORDS]
.Lcouple_\name:
    scattered_weight
    first_products r2, \pairs
    scattered_weight
    products r2, \pairs
    add_to_sums \pairs
    cmp r0, lr
    bne .Lcouple_\name
.Loutputs_\name:
    ldmia r0!, {r3-r6}
.if \is_signed
    ldmia r0!, {r1, r2}
    mov lr, r1
    mov r12, r2
.endif
    ldr r1, [sp, #OUTPUT]
    outputs \name, r8, r10, 0, 0, 1, OFFSET_1, \is_signed
.if \pairs > 1
    outputs \name, r9, r11, 2, OFFSET_2, 3, OFFSET_3, \is_signed
.endif
    adds r1, r1, #1
    str r1, [sp, #OUTPUT]
    ldr r7, [sp, #STREAM_END]
    cmp r0, r7
    beq .Lend_\name
    b .Lfilter_\name
    cut \name, 0, \is_signed
    cut \name, 1, \is_signed
.if \pairs > 1
    cut \name, 2, \is_signed
    cut \name, 3, \is_signed
.endif
.Lend_\name:
    add sp, #FRAME
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .size \name, . - \name
.endm

    tile ek_packed_tile, 0, 2
    tile ek_packed_pair, 0, 1
    tile ek_packed_tile_signed, 1, 2
    tile ek_packed_pair_signed, 1, 1
