/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nRF52833, nRF52840 and their like (nRF52833 Product Specification; chapters below are its). The core
 * always runs at 64 MHz; the crystal makes the baud rate exact. The UART is the one without DMA, UART0,
 * on the pins of the profile: it holds six received bytes. The counter is SysTick.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* CLOCK, chapter "Clock control", Registers. */
#define CLOCK_HFCLKSTART         REGISTER(0x40000000u)
#define CLOCK_EVENT_HFCLKSTARTED REGISTER(0x40000100u)

/* NVMC, chapter "Non-volatile memory controller", Registers: the instruction cache. */
#define NVMC_ICACHECNF REGISTER(0x4001E540u)
#define ICACHE_ENABLE  1u

/* UART0, chapter "Universal asynchronous receiver/transmitter", Registers. */
#if !defined(EK_BOARD_UART_UART0)
#error "serial.uart of the board's profile must be UART0"
#endif
#define UART_STARTRX      REGISTER(0x40002000u)
#define UART_STARTTX      REGISTER(0x40002008u)
#define UART_EVENT_RXDRDY REGISTER(0x40002108u)
#define UART_EVENT_TXDRDY REGISTER(0x4000211Cu)
#define UART_ENABLE       REGISTER(0x40002500u)
#define UART_PSEL_TXD     REGISTER(0x4000250Cu)
#define UART_PSEL_RXD     REGISTER(0x40002514u)
#define UART_RXD          REGISTER(0x40002518u)
#define UART_TXD          REGISTER(0x4000251Cu)
#define UART_BAUDRATE     REGISTER(0x40002524u)
#define ENABLE_UART       4u
#if EK_BOARD_BAUD == 115200u
#define BAUDRATE 0x01D7E000u
#elif EK_BOARD_BAUD == 1000000u
#define BAUDRATE 0x10000000u
#else
#error "serial.baud of the board's profile must be 115200 or 1000000"
#endif
#define PSEL(port, pin) ((port) * 32u + (pin))

/* GPIO, chapter "General purpose input/output", Registers. */
#define GPIO(port, offset)  REGISTER(0x50000000u + (port) * 0x300u + (offset))
#define GPIO_OUTSET         0x508u
#define GPIO_DIRSET         0x518u
#define GPIO_PIN_CNF(pin)   (0x700u + (pin) * 4u)
#define CNF_INPUT_PULLED_UP (3u << 2)

/* Far more polls than the crystal takes: without it the chip goes on with its own oscillator. */
#define POLLS 1000000u

static void start_crystal(void) {
    CLOCK_EVENT_HFCLKSTARTED = 0;
    CLOCK_HFCLKSTART = 1;
    for (uint32_t poll = 0; poll < POLLS && CLOCK_EVENT_HFCLKSTARTED == 0; ++poll) {
    }
}

void ek_port_init(void) {
    NVMC_ICACHECNF = ICACHE_ENABLE;
    start_crystal();
    GPIO(EK_BOARD_TX_PORT, GPIO_OUTSET) = 1u << EK_BOARD_TX_PIN;
    GPIO(EK_BOARD_TX_PORT, GPIO_DIRSET) = 1u << EK_BOARD_TX_PIN;
    /* An open line is silent. */
    GPIO(EK_BOARD_RX_PORT, GPIO_PIN_CNF(EK_BOARD_RX_PIN)) = CNF_INPUT_PULLED_UP;
    UART_PSEL_TXD = PSEL(EK_BOARD_TX_PORT, EK_BOARD_TX_PIN);
    UART_PSEL_RXD = PSEL(EK_BOARD_RX_PORT, EK_BOARD_RX_PIN);
    UART_BAUDRATE = BAUDRATE;
    UART_ENABLE = ENABLE_UART;
    UART_EVENT_RXDRDY = 0;
    UART_STARTTX = 1;
    UART_STARTRX = 1;
    ek_cortex_m_start_ticks();
}

/* The event is cleared first: reading the byte may bring the next one up. */
int ek_port_read_byte(void) {
    while (UART_EVENT_RXDRDY == 0) {
    }
    UART_EVENT_RXDRDY = 0;
    return (int)(UART_RXD & 0xFFu);
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        UART_EVENT_TXDRDY = 0;
        UART_TXD = data[i];
        while (UART_EVENT_TXDRDY == 0) {
        }
    }
}

void ek_port_flush(void) {
    /* ek_port_write returns when the last byte is out. */
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
