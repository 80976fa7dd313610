/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second boot stage of an RP2040. Its boot ROM copies the first 256 bytes of flash to the end of
 * RAM and, if their last word is the CRC-32 of the rest (polynomial 0x04C11DB7, begun with ones, no
 * reflection, no inversion), runs them there (RP2040 data sheet, 2.8.1.3.1). They set up the serial
 * flash for execution in place and start the image behind them.
 *
 * The flash is read with command 03h, which every flash chip knows: one bit at a time at a quarter of
 * the system clock, 31.25 MHz of 125 (a W25Q16JV allows 50 MHz). No register of the flash chip is
 * changed. Registers: SSI at 0x18000000 (4.10.13).
 *
 * Machine code, two instructions a word, because the CRC depends on every bit of it; it runs wherever
 * it is copied to. A test assembles the comments and computes the CRC anew.
 */
#include <stdint.h>

__attribute__((used, section(".boot"))) static const uint32_t boot2[64] = {
    0x20004b0au, /* ldr r3, .+44; movs r0, #0 */
    0x21046098u, /* str r0, [r3, #0x08]; movs r1, #4           SSIENR = 0: off, to be set up */
    0x49096159u, /* str r1, [r3, #0x14]; ldr r1, .+38          BAUDR = 4 */
    0x60586019u, /* str r1, [r3, #0x00]; str r0, [r3, #0x04]   CTRLR0; CTRLR1 = 0: one frame a read */
    0x22f44908u, /* ldr r1, .+36; movs r2, #0xf4 */
    0x20015099u, /* str r1, [r3, r2]; movs r0, #1              SPI_CTRLR0 */
    0x60986118u, /* str r0, [r3, #0x10]; str r0, [r3, #0x08]   SER = 1: this chip; SSIENR = 1: on */
    0x49074806u, /* ldr r0, .+28; ldr r1, .+30 */
    0xc8066008u, /* str r0, [r1]; ldmia r0!, {r1, r2}          VTOR = the vector table behind this */
    0x8808f381u, /* msr msp, r1                                its stack */
    0x46c04710u, /* bx r2; mov r8, r8                          and its first instruction */
    0x18000000u, /* SSI */
    0x001f0300u, /* CTRLR0: frames of 32 bits (DFS_32 = 31), EEPROM read (TMOD = 3), one data line */
    0x03000218u, /* SPI_CTRLR0: command 03h of 8 bits (INST_L = 2), address of 24 (ADDR_L = 6) */
    0x10000100u, /* the image: this follows its 256 bytes */
    0xe000ed08u, /* VTOR (Armv6-M Architecture Reference Manual, DDI 0419E, B3.2.5) */
    [63] = 0xf7d0d027u,
};
