/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's machine "virt" with a 32-bit RISC-V core (QEMU's system emulation manual, 'virt' Generic
 * Virtual Platform): a 16550 UART, a PLIC that wakes the core when a byte is there, and a test device
 * that ends or restarts the machine.
 *
 * The counter is mcycle, which under QEMU's -icount is the number of executed instructions. All memory
 * of the machine is RAM; the core's memory protection makes flash of a part of it.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_riscv.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/*
 * NS16550A; its registers are bytes. Its FIFOs stay off, as after reset: switching them on would throw
 * away what the host sent before, and QEMU moves single bytes faster.
 */
#define UART(offset) (*(volatile uint8_t *)(0x10000000u + (offset)))
#define UART_DATA    UART(0)
#define UART_IER     UART(1)
#define UART_LCR     UART(3)
#define UART_LSR     UART(5)
#define IER_RX       0x01u
#define LCR_8_BITS   0x03u
#define LSR_RX_READY 0x01u
#define LSR_TX_EMPTY 0x20u

/* Platform-level interrupt controller, context 0: machine mode of hart 0. */
#define UART_IRQ      10u
#define PLIC_PRIORITY REGISTER(0x0C000000u + 4u * UART_IRQ)
#define PLIC_ENABLE   REGISTER(0x0C002000u)
#define PLIC_CLAIM    REGISTER(0x0C200004u)
#define MIE_EXTERNAL  (1u << 11)

#define TEST_DEVICE REGISTER(0x00100000u)
#define TEST_FAIL   0x3333u
#define TEST_RESET  0x7777u
/* Ends QEMU with exit code 99; edgekit/device/emulators/qemu_system.py knows it. */
#define STOPPED_CODE 99u
#define STOP_POLLS   100000u

void ek_port_init(void) {
    ek_riscv_protect_flash();
    UART_LCR = LCR_8_BITS;
    UART_IER = IER_RX;
    PLIC_PRIORITY = 1;
    PLIC_ENABLE = 1u << UART_IRQ;
    EK_RISCV_WRITE(mie, MIE_EXTERNAL);
}

/* Sleeps until a byte is there. Interrupts are disabled: one that is pending only ends the sleep. */
int ek_port_read_byte(void) {
    while ((UART_LSR & LSR_RX_READY) == 0) {
        __asm__ volatile("wfi" ::: "memory");
    }
    const int byte = UART_DATA;
    PLIC_CLAIM = PLIC_CLAIM; /* claimed and completed: it can pend again */
    return byte;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        ek_port_flush();
        UART_DATA = data[i];
    }
}

void ek_port_flush(void) {
    while ((UART_LSR & LSR_TX_EMPTY) == 0) {
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return ek_riscv_cycles();
}

uint32_t ek_port_clock_hz(void) {
    return EK_BOARD_CLOCK_HZ;
}

void ek_port_reset(void) {
    TEST_DEVICE = TEST_RESET;
    for (;;) {
    }
}

/*
 * Takes what the host still sends before the machine ends: its connection, closed with bytes unread,
 * would lose the last that was written, which is a fault's report.
 */
_Noreturn void ek_startup_stop(void) {
    for (uint32_t i = 0; i < STOP_POLLS; ++i) {
        if ((UART_LSR & LSR_RX_READY) != 0) {
            (void)UART_DATA;
        }
    }
    TEST_DEVICE = TEST_FAIL | (STOPPED_CODE << 16);
    for (;;) {
    }
}
