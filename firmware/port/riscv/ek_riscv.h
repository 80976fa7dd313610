/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every port to a 32-bit RISC-V core in machine mode shares: start-up and trap report (startup.c).
 * Registers and their numbers: The RISC-V Instruction Set Manual, Volume II: Privileged Architecture,
 * document version 20211203, chapters 2 and 3.
 */
#ifndef EDGEKIT_EK_RISCV_H
#define EDGEKIT_EK_RISCV_H

#include <stdint.h>

#include "ek_startup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads or writes the control and status register `name`, as in EK_RISCV_READ(mcause). */
#define EK_RISCV_READ(name)                                                                                  \
    __extension__({                                                                                          \
        uint32_t ek_value;                                                                                   \
        __asm__ volatile("csrr %0, " #name : "=r"(ek_value)::"memory");                                      \
        ek_value;                                                                                            \
    })
#define EK_RISCV_WRITE(name, value) __asm__ volatile("csrw " #name ", %0" : : "r"(value) : "memory")

/*
 * Where the processor starts: the first instruction of the image. Sets up stack and traps, initialises
 * memory and calls main; main's return ends in ek_startup_stop. Interrupts stay disabled.
 */
void Reset_Handler(void);

/* Processor cycles since power-on: mcycleh and mcycle, read so that they belong together. */
uint64_t ek_riscv_cycles(void);

/*
 * Makes the image's flash read-only and executable for good, through the core's physical memory
 * protection (chapter 3.7), where memory itself would let a stack that overflows write into it. Uses
 * PMP entries 0 and 1.
 */
void ek_riscv_protect_flash(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_RISCV_H */
