/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual Cortex-M board: a processor, flash, RAM and this one device, emulated inside the host's
 * process. The device moves whole buffers, so that the serial link costs next to nothing.
 *
 * All registers are 32 bits wide, at EK_VIRT_BASE plus:
 *
 *   TX_ADDRESS  write  address of bytes to send
 *   TX_SIZE     write  sends that many bytes from TX_ADDRESS
 *   TX_BUSY     read   1 until the host has taken what was sent, then 0. The emulator may stop the
 *                      processor meanwhile, so a program that wants its bytes to leave waits for 0
 *   RX_ADDRESS  write  address of a buffer for received bytes
 *   RX_CAPACITY write  its size in bytes
 *   RX_COUNT    read   moves up to RX_CAPACITY received bytes to RX_ADDRESS and gives how many. 0 when
 *                      none has arrived; the emulator may then stop the processor until one has, so
 *                      reading it in a loop is the way to wait
 *   RESET       write  any value: starts over as after power-on; flash and RAM are loaded anew
 *   STOP        write  ends the emulation; the value is the program's exit code
 *   COUNTS      read   1 where the emulator counts instructions, else 0
 *   COUNT_LOW   read   low word of the number of instructions executed so far; latches COUNT_HIGH.
 *                      Whole basic blocks are counted, so differences are exact only between reads by
 *                      one and the same instruction: read it in a function that is not inlined
 *   COUNT_HIGH  read   high word as of the last read of COUNT_LOW
 */
#ifndef EDGEKIT_EK_VIRT_H
#define EDGEKIT_EK_VIRT_H

#define EK_VIRT_BASE        0x40000000u
#define EK_VIRT_TX_ADDRESS  0x00u
#define EK_VIRT_TX_SIZE     0x04u
#define EK_VIRT_TX_BUSY     0x08u
#define EK_VIRT_RX_ADDRESS  0x0Cu
#define EK_VIRT_RX_CAPACITY 0x10u
#define EK_VIRT_RX_COUNT    0x14u
#define EK_VIRT_RESET       0x18u
#define EK_VIRT_STOP        0x1Cu
#define EK_VIRT_COUNTS      0x20u
#define EK_VIRT_COUNT_LOW   0x24u
#define EK_VIRT_COUNT_HIGH  0x28u

#endif /* EDGEKIT_EK_VIRT_H */
