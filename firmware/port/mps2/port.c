/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm MPS2+ FPGA images with a Cortex-M3, M4 or M7 (AN385, AN386, AN500; application note DAI 0386),
 * and QEMU's machines of these names.
 *
 * UART0 is the APB UART of the Cortex-M System Design Kit (technical reference manual DDI 0479, 4.3).
 * It holds a single received byte; that is enough, because the link sends nothing unasked and the
 * program is always here when the host may send.
 *
 * The counter is SysTick, at the processor's clock.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define UART_DATA         REGISTER(0x40004000u)
#define UART_STATE        REGISTER(0x40004004u)
#define UART_CTRL         REGISTER(0x40004008u)
#define UART_INTCLEAR     REGISTER(0x4000400Cu)
#define UART_BAUDDIV      REGISTER(0x40004010u)
#define STATE_TX_FULL     (1u << 0)
#define STATE_RX_FULL     (1u << 1)
#define CTRL_TX_ENABLE    (1u << 0)
#define CTRL_RX_ENABLE    (1u << 1)
#define CTRL_RX_INTERRUPT (1u << 3)
#define INTCLEAR_RX       (1u << 1)
#define BAUD_RATE         115200u

/* Interrupt 0 of the MPS2 images is UART0's receive interrupt. */
#define NVIC_ISER0 REGISTER(0xE000E100u)
#define NVIC_ICER0 REGISTER(0xE000E180u)
#define NVIC_ICPR0 REGISTER(0xE000E280u)
#define UART_IRQ   (1u << 0)

void ek_port_init(void) {
    UART_BAUDDIV = EK_BOARD_CLOCK_HZ / BAUD_RATE;
    UART_CTRL = CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_RX_INTERRUPT;
    ek_cortex_m_start_ticks();
}

/*
 * Sleeps until a byte is there. Interrupts are masked meanwhile: one that is pending ends the sleep
 * (DDI 0403E, B1.5.19) but needs no handler, and the counter's is served here.
 */
int ek_port_read_byte(void) {
    __asm__ volatile("cpsid i" ::: "memory");
    NVIC_ISER0 = UART_IRQ;
    while ((UART_STATE & STATE_RX_FULL) == 0) {
        __asm__ volatile("wfi" ::: "memory");
        ek_cortex_m_keep_ticks();
    }
    const int byte = (int)(UART_DATA & 0xFFu);
    UART_INTCLEAR = INTCLEAR_RX;
    NVIC_ICER0 = UART_IRQ;
    NVIC_ICPR0 = UART_IRQ;
    __asm__ volatile("cpsie i" ::: "memory");
    return byte;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while ((UART_STATE & STATE_TX_FULL) != 0) {
        }
        UART_DATA = data[i];
    }
}

void ek_port_flush(void) {
    while ((UART_STATE & STATE_TX_FULL) != 0) {
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return ek_cortex_m_ticks();
}

uint32_t ek_port_clock_hz(void) {
    return EK_BOARD_CLOCK_HZ;
}

uint32_t ek_port_stack_used_bytes(void) {
    return ek_startup_stack_used_bytes();
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    ek_cortex_m_system_reset();
}
