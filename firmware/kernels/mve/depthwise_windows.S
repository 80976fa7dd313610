/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void ek_mve_depthwise_window_tile(ek_mve_window_tile *tile): windows of any size of up to eight pixels in a row,
 * four channels at a time, from bytes to bytes (depthwise_windows.h). Its specification is the loop over pixels,
 * channels and taps, and ek_output_lanes of kernels/lanes.h; sums wrap around.
 *
 * Words of four channels are copied column by column: a gather brings a row's in four columns, and a scatter lays
 * them down. So the taps of a window are words in a row, and a gather of one byte of each of sixteen, multiplied by
 * sixteen weights, is a step of a channel. Four columns take two instructions a row and 4; a step of eight pixels
 * 21, of six 17, of four 12, and 7 a channel; 28 requantize and store four pixels of four channels, or 54; 54 more.
 * 5 x 5, eight pixels: 10.9 an output.
 *
 * Where channels come in no fours words lie anywhere: two instructions a row of each column, and 4 a column. The
 * last four channels are computed with some of those before. Channels that share an input channel, or are fewer
 * than four, go byte by byte, like windows of more than eight rows: 6 for four rows of a column and channel.
 *
 * Copying: r0 r1 r3 r4 r5 r6 r8 r10 rows, r2 and r12 steps; q0 columns, q1 words, q2 slots. Of words anywhere: r2
 * to, r7 from, r9 and r11 steps, r12 word. Of rows in fours: r1 rows, r2 to, r3 from, r4 height left, r5 first
 * byte, r6 slot, r7 columns, r8 and r10 steps, q0 rows, q1 words; of bytes r0 channels left, r12 slot of a channel,
 * q7 its words.
 * Multiplying: r0 r2 r4 r6 r8 r10 r12 lr sums, r1 window, r3 steps left, r5 four pixels' bytes, r7 where sums go,
 * r9 stream, r11 from the last four pixels' step to the next of the first; q0 taps, q1 weights, q2 q3 q5 q6 offsets
 * of four pixels.
 * Requantizing: r1 sums, r3 output, r5 pixels left, r7 free, r11 tile; q4 scale, q5 outputs; finish.inc.
 */
#include "finish.inc"

    .syntax unified
    .thumb

    .equ ROWS, 32
    .equ FROM, 40
    .equ INSIDE, 48
    .equ COLUMN_BYTES, 56
    .equ COLUMN_HOP, 60
    .equ COLUMNS, 68
    .equ PIXEL_BYTES, 72
    .equ STEPS, 76
    .equ SUMS, 80
    .equ STREAM, 84
    .equ STREAM_END, 88
    .equ OUTPUT, 92
    .equ PIXELS, 96
    .equ OUTPUT_HOP, 100
    .equ CHANNELS, 104
    .equ REPEATS, 108
    .equ MULTIPLIER, 112
    .equ FINISH, 116
    .equ COLUMN_OFFSETS, 132
    .equ SLOTS, 148
    .equ OUTPUT_OFFSETS, 164
    .equ FEW_ROWS, 8
    .equ PITCH, 32              /* bytes of a channel's sums */

/* The frame: eight zeros, and what is wanted while no register is left. */
    .equ TILE, 32
    .equ STEPS_OF_CHANNEL, 36
    .equ TO_NEXT_CHANNEL, 40
    .equ COPY, 44
    .equ STREAM_LEFT, 48
    .equ FRAME_BYTES, 56

/* Rows r1.. of all columns, four at a time, r4 rows in all; `store` has the lanes of P0. */
    .macro copy_fours load, store:vararg
.Lrows\@:
    vctp.32 r4
    mov r2, r6
    vpst
    vldrwt.u32 q0, [r1], #16
    mov r3, r5
    wls lr, r7, .Lcopied\@
.Lcolumn\@:
    vpstt
    \load q1, [r3, q0]
    \store
    add r3, r3, r8
    add r2, r2, r10
    le lr, .Lcolumn\@
.Lcopied\@:
    adds r6, r6, #16
    subs r4, r4, #4
    bhi .Lrows\@
    .endm

/* A row of four columns. */
    .macro copy_row row, slot
    vldrw.u32 q1, [\row, q0]
    vstrw.32 q1, [q2, #\slot]
    .endm

/* A row of one column: words may lie anywhere. */
    .macro copy_word row, slot
    ldr.w r12, [\row, r7]
    str.w r12, [r2, #\slot]
    .endm

/* A step of two pixels, those of the offsets. */
    .macro two_pixels offsets, next, a, b
    vldrb.u8 q0, [r1, \offsets]
    vmladava.s8 \a, q0, q1
    vldrb.u8 q0, [r1, \next]
    vmladava.s8 \b, q0, q1
    .endm

/* The sums of four channels, of four, six or eight pixels. */
    .macro dot pixels
.Lchannel\@:
    ldm sp, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldr r3, [sp, #STEPS_OF_CHANNEL]
.Lstep\@:
    vldrb.u8 q1, [r9], #16
    two_pixels q2, q3, r0, r2
    two_pixels q5, q6, r4, r6
    .if \pixels > 4
    add r1, r1, r5
    two_pixels q2, q3, r8, r10
    .endif
    .if \pixels > 6
    two_pixels q5, q6, r12, lr
    .endif
    add r1, r1, r11
    subs r3, r3, #1
    bne .Lstep\@
    stm r7!, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldr r3, [sp, #TO_NEXT_CHANNEL]
    add r1, r1, r3
    tst.w r1, #3
    bne .Lchannel\@
    .endm

/* Four pixels of four channels, which q6 has; then those behind them from `again` on, if there are any. */
    .macro store again
    vctp.32 r5
    ldr r7, [r11, #CHANNELS]
    cbnz r7, .Lbytes\@
    vpst
    vstrwt.32 q6, [r3, q5]
.Lstored\@:
    ldr r7, [r11, #OUTPUT_HOP]
    add r3, r3, r7
    adds r1, r1, #16
    subs r5, r5, #4
    bhi \again
    b .Lnone\@
.Lbytes\@:
    push {r3}
    cmp r7, #4
    it hi
    movhi r7, #4
.Lbyte\@:
    vpst
    vstrbt.32 q6, [r3, q5]
    vshr.u32 q6, q6, #8
    adds r3, r3, #1
    subs r7, r7, #1
    bne .Lbyte\@
    pop {r3}
    b .Lstored\@
.Lnone\@:
    .endm

    .section .text.ek_mve_depthwise_window_tile, "ax", %progbits
    .global ek_mve_depthwise_window_tile
    .type ek_mve_depthwise_window_tile, %function
    .balign 4
ek_mve_depthwise_window_tile:
    push {r3-r11, lr}
    vpush {d8-d15}
    sub sp, sp, #FRAME_BYTES
    vmov.i32 q0, #0
    vstrw.32 q0, [sp]
    vstrw.32 q0, [sp, #16]
    mov r11, r0
    str r11, [sp, #TILE]
    ldr r0, [r11, #STEPS]
    mvn r1, r0, lsl #6
    adds r1, r1, #2             /* 1 - 64 a step */
    strd r0, r1, [sp, #STEPS_OF_CHANNEL]
    ldr r0, [r11, #(ROWS + 4)]
    ldr r2, [r11, #CHANNELS]
    adr.w r1, .Lrows_copied
    cmp r2, #0
    it ne
    adrne.w r1, .Lwords_copied
    sub r1, r1, r0, lsl #3      /* 8 bytes of code a row */
    adds r1, r1, #1             /* Thumb */
    str r1, [sp, #COPY]
    ldr r9, [r11, #STREAM]
.Lgroup:
    ldrd r1, r4, [r11, #ROWS]
    ldrd r5, r6, [r11, #FROM]
    ldrd r7, r8, [r11, #INSIDE]
    ldr r10, [r11, #COLUMN_BYTES]
    ldr r0, [r11, #CHANNELS]
    cmp r0, #0
    bne.w .Lcopy_channels
    add r0, r5, #4
    str r0, [r11, #FROM]
    cmp r4, #FEW_ROWS
    bls .Lcopy_few_rows
    copy_fours vldrwt.u32, vstrwt.32 q1, [r2]
    b.w .Lcopied
.Lcopy_few_rows:
    vldrw.u32 q0, [r11, #COLUMN_OFFSETS]
    vadd.i32 q0, q0, r5
    vldrw.u32 q2, [r11, #SLOTS]
    ldrd r2, r12, [r11, #COLUMN_HOP]
    wlstp.32 lr, r7, .Lcopied
    ldm r11, {r0, r1, r3, r4, r5, r6, r8, r10}
.Lfour_columns:
    ldr pc, [sp, #COPY]
    copy_row r10, 28
    copy_row r8, 24
    copy_row r6, 20
    copy_row r5, 16
    copy_row r4, 12
    copy_row r3, 8
    copy_row r1, 4
    copy_row r0, 0
.Lrows_copied:
    vadd.i32 q0, q0, r2
    vadd.i32 q2, q2, r12
    letp lr, .Lfour_columns
.Lcopied:
    ldrd r1, r0, [r11, #COLUMNS]
    ldr r7, [r11, #SUMS]
    ldr r2, [r11, #PIXELS]
    adr.w r3, .Ltaps
    vldrw.u32 q2, [r3]
    vadd.i8 q3, q2, r0
    vadd.i8 q5, q3, r0
    vadd.i8 q6, q5, r0
    lsls r5, r0, #2
    cmp r2, #4
    bls .Lfour_pixels
    rsb r11, r5, #64
    cmp r2, #6
    bls .Lsix_pixels
    dot 8
    b .Lfinish
.Lsix_pixels:
    dot 6
    b .Lfinish
.Lfour_pixels:
    mov r11, #64
    dot 4
.Lfinish:
    ldr r11, [sp, #TILE]
    ldr r1, [r11, #SUMS]
    ldrd r3, r5, [r11, #OUTPUT]
    ldr r0, [r11, #FINISH]
    vldrw.u32 q5, [r11, #OUTPUT_OFFSETS]
    cmp r0, #0
    beq .Ltwice
    vdup.32 q4, r0
    load_factors
.Lonce:
    finish_once r1, 0, PITCH
    store .Lonce
    b .Lnext
.Ltwice:
    finish_twice r1, 0, PITCH, r7
    add r0, r11, #FINISH
    clamp
    store .Ltwice
    adds r9, r9, #36
.Lnext:
    ldr r0, [r11, #OUTPUT]
    ldr r1, [r11, #CHANNELS]
    adds r0, r0, #4
    cbz r1, .Lnext_words
    subs r1, r1, #4
    ldr r2, [r11, #MULTIPLIER]
    cbnz r2, .Lnext_bytes
    ldr r3, [r11, #FROM]
    adds r3, r3, #4
    rsbs r2, r1, #4
    ittt hi                     /* the last four channels */
    subhi r0, r0, r2
    subhi r3, r3, r2
    movhi r1, #4
    str r3, [r11, #FROM]
.Lnext_bytes:
    str r1, [r11, #CHANNELS]
.Lnext_words:
    str r0, [r11, #OUTPUT]
    ldr r0, [r11, #STREAM_END]
    cmp r9, r0
    bne.w .Lgroup
    add sp, sp, #FRAME_BYTES
    vpop {d8-d15}
    pop {r3-r11, pc}
.Lcopy_channels:
    ldr r2, [r11, #MULTIPLIER]
    cmp r2, #0
    bne .Lcopy_bytes
    str r9, [sp, #STREAM_LEFT]
    mov r2, r6
    mov r9, r10
    mov r12, r8
    wls lr, r7, .Lcolumns_copied
    mov r7, r5
    ldm r11, {r0, r1, r3, r4, r5, r6, r8, r10}
    mov r11, r12
.Lcolumn_of_words:
    ldr pc, [sp, #COPY]
    copy_word r10, 28
    copy_word r8, 24
    copy_word r6, 20
    copy_word r5, 16
    copy_word r4, 12
    copy_word r3, 8
    copy_word r1, 4
    copy_word r0, 0
.Lwords_copied:
    add r7, r7, r11
    add r2, r2, r9
    le lr, .Lcolumn_of_words
    ldr r11, [sp, #TILE]
.Lcolumns_copied:
    ldr r9, [sp, #STREAM_LEFT]
    b.w .Lcopied
.Lcopy_bytes:
    cmp r0, #4
    it hi
    movhi r0, #4
    mov r12, r6
    movs r2, #0
    vidup.u32 q7, r2, #4
.Lchannel_of_bytes:
    ldrd r1, r4, [r11, #ROWS]
    mov r6, r12
    copy_fours vldrbt.u32, vstrbt.32 q1, [r2, q7]
    add r12, r12, #1
    ldrd r2, r3, [r11, #REPEATS]
    subs r2, r2, #1
    itt eq
    moveq r2, r3
    addeq r5, r5, #1
    str r2, [r11, #REPEATS]
    subs r0, r0, #1
    bne .Lchannel_of_bytes
    str r5, [r11, #FROM]
    b.w .Lcopied
    .balign 4
.Ltaps:
    .byte 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60
    .size ek_mve_depthwise_window_tile, . - ek_mve_depthwise_window_tile
