/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All filters of a convolution on four pixels, for Armv6-M. Included once for each EK_TILE, the name of a
 * function, and EK_TILE_SIGNED: 1 where there are "zero" and "drop", else 0.
 *
 * tile.h has the idea, tile_c.h the same in C.
 *
 * Registers: r0 stream, r1 words of the pixels, r2 quad, r3 weight, r4 r5 sums of a quad for both pairs of
 * pixels, r6 r7 products; r8 r9 total, r10 r11 high, r12 32768, lr end of the run.
 * Instructions: 35 a quad (2.2 a multiply-accumulate), 8 a run, 17 an output (20 where signed).
 */
#ifndef EK_TILE
#error "define EK_TILE and EK_TILE_SIGNED"
#endif

#ifndef EDGEKIT_TILE_ARMV6M_H
#define EDGEKIT_TILE_ARMV6M_H

#define EK_STRING_OF(text) #text
#define EK_STRING(text)    EK_STRING_OF(text)
#define EK_TILE_NAME       EK_STRING(EK_TILE)
#define EK_LABEL(name)     ".L" name "_" EK_STRING(EK_TILE_SIGNED)

#endif /* EDGEKIT_TILE_ARMV6M_H */

/* One instruction a line. */
/* clang-format off */
__asm__(".pushsection .text." EK_TILE_NAME ",\"ax\",%progbits\n"
        ".syntax unified\n"
        ".thumb\n"
        ".p2align 2\n"
        ".set is_signed, " EK_STRING(EK_TILE_SIGNED) "\n"

        /* r4 and r5 += the pixels' next words * \weight; r4 and r5 = them if \first. */
        ".macro ek_products weight, first\n"
        ".if \\first\n"
        "    ldmia r1!, {r4, r5}\n"
        "    muls r4, \\weight, r4\n"
        "    muls r5, \\weight, r5\n"
        ".else\n"
        "    ldmia r1!, {r6, r7}\n"
        "    muls r6, \\weight, r6\n"
        "    muls r7, \\weight, r7\n"
        "    adds r4, r4, r6\n"
        "    adds r5, r5, r7\n"
        ".endif\n"
        ".endm\n"

        /* r2: x, becomes the output. r3 x_max, r4 whole, r5 fraction, r6 offset, lr zero, r12 -drop. */
        ".macro ek_requantize pixel\n"
        "    cmp r2, r3\n"
        "    bhi " EK_LABEL("cut\\pixel\\()") "\n"
        EK_LABEL("inside\\pixel\\()") ":\n"
        "    mov r7, r2\n"
        "    muls r7, r5, r7\n"
        "    lsrs r7, r7, #13\n"
        ".if is_signed\n"
        "    cmp r2, lr\n"
        "    muls r2, r4, r2\n" /* leaves the carry alone */
        "    bcs 1f\n"
        "    add r2, r12\n"
        "1:\n"
        ".else\n"
        "    muls r2, r4, r2\n"
        ".endif\n"
        "    adds r2, r2, r7\n"
        "    adds r2, r2, r6\n"
        EK_LABEL("level\\pixel\\()") ":\n"
        "    lsrs r2, r2, #24\n"
        ".endm\n"

        ".macro ek_cut pixel\n"
        EK_LABEL("cut\\pixel\\()") ":\n"
        "    cmp r2, #0\n"
        "    blt 1f\n"
        "    mov r2, r3\n"
        "    b " EK_LABEL("inside\\pixel\\()") "\n"
        "1:\n"
        ".if is_signed\n"
        "    movs r2, #0\n"
        "    b " EK_LABEL("inside\\pixel\\()") "\n"
        ".else\n"
        "    mov r2, r6\n"
        "    b " EK_LABEL("level\\pixel\\()") "\n"
        ".endif\n"
        ".endm\n"

        ".global " EK_TILE_NAME "\n"
        ".type " EK_TILE_NAME ", %function\n"
        ".thumb_func\n" EK_TILE_NAME ":\n"
        "    push {r4-r7, lr}\n"
        "    mov r4, r8\n"
        "    mov r5, r9\n"
        "    mov r6, r10\n"
        "    mov r7, r11\n"
        "    push {r4-r7}\n"
        "    ldmia r0!, {r1-r7}\n"
        "    push {r2-r7}\n" /* sp: stream_end, words, output, offset[3] */
        "    mov r0, r1\n"
        EK_LABEL("filter") ":\n"
        "    movs r1, #128\n"
        "    lsls r1, r1, #8\n"
        "    mov r12, r1\n"
        "    ldmia r0!, {r2, r3}\n"
        "    mov r8, r2\n"
        "    mov r9, r2\n"
        "    mov r10, r3\n"
        "    mov r11, r3\n"
        EK_LABEL("run") ":\n"
        "    ldmia r0!, {r2}\n"
        "    lsrs r3, r2, #16\n"
        "    beq " EK_LABEL("output") "\n"
        "    adds r3, r3, r0\n"
        "    mov lr, r3\n"
        "    uxth r1, r2\n"
        "    ldr r2, [sp, #4]\n"
        "    adds r1, r1, r2\n"
        EK_LABEL("quad") ":\n"
        "    ldmia r0!, {r2}\n"
        "    sxtb r3, r2\n"
        "    ek_products r3, 1\n"
        "    asrs r2, r2, #8\n"
        "    sxtb r3, r2\n"
        "    ek_products r3, 0\n"
        "    asrs r2, r2, #8\n"
        "    sxtb r3, r2\n"
        "    ek_products r3, 0\n"
        "    asrs r2, r2, #8\n"
        "    ek_products r2, 0\n"
        "    add r4, r12\n"
        "    add r8, r4\n"
        "    asrs r4, r4, #16\n"
        "    add r10, r4\n"
        "    add r5, r12\n"
        "    add r9, r5\n"
        "    asrs r5, r5, #16\n"
        "    add r11, r5\n"
        "    cmp r0, lr\n"
        "    bne " EK_LABEL("quad") "\n"
        "    b " EK_LABEL("run") "\n"
        EK_LABEL("output") ":\n"
        "    ldmia r0!, {r3-r6}\n"
        ".if is_signed\n"
        "    ldmia r0!, {r1, r2}\n"
        "    mov lr, r1\n"
        "    mov r12, r2\n"
        ".endif\n"
        "    ldr r1, [sp, #8]\n"
        "    mov r2, r8\n"
        "    mov r7, r10\n"
        "    lsls r7, r7, #16\n"
        "    subs r2, r2, r7\n"
        "    ek_requantize 0\n"
        "    strb r2, [r1]\n"
        "    mov r2, r10\n"
        "    ek_requantize 1\n"
        "    ldr r7, [sp, #12]\n"
        "    strb r2, [r1, r7]\n"
        "    mov r2, r9\n"
        "    mov r7, r11\n"
        "    lsls r7, r7, #16\n"
        "    subs r2, r2, r7\n"
        "    ek_requantize 2\n"
        "    ldr r7, [sp, #16]\n"
        "    strb r2, [r1, r7]\n"
        "    mov r2, r11\n"
        "    ek_requantize 3\n"
        "    ldr r7, [sp, #20]\n"
        "    strb r2, [r1, r7]\n"
        "    adds r1, r1, #1\n"
        "    str r1, [sp, #8]\n"
        "    ldr r7, [sp]\n"
        "    cmp r0, r7\n"
        "    beq " EK_LABEL("end") "\n"
        "    b " EK_LABEL("filter") "\n"
        "    ek_cut 0\n"
        "    ek_cut 1\n"
        "    ek_cut 2\n"
        "    ek_cut 3\n"
        EK_LABEL("end") ":\n"
        "    add sp, #24\n"
        "    pop {r4-r7}\n"
        "    mov r8, r4\n"
        "    mov r9, r5\n"
        "    mov r10, r6\n"
        "    mov r11, r7\n"
        "    pop {r4-r7, pc}\n"
        ".size " EK_TILE_NAME ", . - " EK_TILE_NAME "\n"
        ".purgem ek_products\n"
        ".purgem ek_requantize\n"
        ".purgem ek_cut\n"
        ".popsection\n");
/* clang-format on */

#undef EK_TILE
#undef EK_TILE_SIGNED
