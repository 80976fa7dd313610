/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm MPS2+ and MPS3 FPGA images, and QEMU's machines of these names: AN385, AN386 and AN500 (Cortex-M3,
 * M4, M7; application note DAI 0386), AN505 (Cortex-M33, DAI 0505) and AN547 (Cortex-M55, DAI 0547). The
 * processors of the latter two start in secure state and stay there: addresses are the secure ones.
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

/* Where UART0 is, and the number of its receive interrupt: memory map and interrupts of each note. */
#if defined(EK_BOARD_MCU_AN385) || defined(EK_BOARD_MCU_AN386) || defined(EK_BOARD_MCU_AN500)
#define UART_BASE 0x40004000u
#define UART_IRQ  0u
#elif defined(EK_BOARD_MCU_AN505)
#define UART_BASE 0x50200000u
#define UART_IRQ  32u
#elif defined(EK_BOARD_MCU_AN547)
#define UART_BASE     0x59303000u
#define UART_IRQ      33u
#define UART_CLOCK_HZ 25000000u /* the peripherals have a clock of their own */
#else
#error "mcu.name of the board's profile is none of AN385, AN386, AN500, AN505, AN547"
#endif
#if !defined(UART_CLOCK_HZ)
#define UART_CLOCK_HZ EK_BOARD_CLOCK_HZ
#endif

#define UART_DATA         REGISTER(UART_BASE + 0x00u)
#define UART_STATE        REGISTER(UART_BASE + 0x04u)
#define UART_CTRL         REGISTER(UART_BASE + 0x08u)
#define UART_INTCLEAR     REGISTER(UART_BASE + 0x0Cu)
#define UART_BAUDDIV      REGISTER(UART_BASE + 0x10u)
#define STATE_TX_FULL     (1u << 0)
#define STATE_RX_FULL     (1u << 1)
#define CTRL_TX_ENABLE    (1u << 0)
#define CTRL_RX_ENABLE    (1u << 1)
#define CTRL_RX_INTERRUPT (1u << 3)
#define INTCLEAR_RX       (1u << 1)
#define BAUD_RATE         115200u

/* Interrupt controller: Armv7-M Architecture Reference Manual (DDI 0403E), B3.4. */
#define IRQ_REGISTER(base) REGISTER((base) + 4u * (UART_IRQ / 32u))
#define NVIC_ISER          IRQ_REGISTER(0xE000E100u)
#define NVIC_ICER          IRQ_REGISTER(0xE000E180u)
#define NVIC_ICPR          IRQ_REGISTER(0xE000E280u)
#define IRQ_BIT            (1u << (UART_IRQ % 32u))

void ek_port_init(void) {
    UART_BAUDDIV = UART_CLOCK_HZ / BAUD_RATE;
    UART_CTRL = CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_RX_INTERRUPT;
    ek_cortex_m_start_ticks();
}

/*
 * Sleeps until a byte is there. Interrupts are masked meanwhile: one that is pending ends the sleep
 * (DDI 0403E, B1.5.19) but needs no handler, and the counter's is served here.
 */
int ek_port_read_byte(void) {
    __asm__ volatile("cpsid i" ::: "memory");
    NVIC_ISER = IRQ_BIT;
    while ((UART_STATE & STATE_RX_FULL) == 0) {
        __asm__ volatile("wfi" ::: "memory");
        ek_cortex_m_keep_ticks();
    }
    const int byte = (int)(UART_DATA & 0xFFu);
    UART_INTCLEAR = INTCLEAR_RX;
    NVIC_ICER = IRQ_BIT;
    NVIC_ICPR = IRQ_BIT;
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

void ek_port_reset(void) {
    ek_cortex_m_system_reset();
}
