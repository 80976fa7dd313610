/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STM32L4R5/S5 and their like (reference manual RM0432; sections below are its). The PLL makes the core's
 * clock of the multi-speed internal oscillator's 4 MHz; above 80 MHz in range 1 boost mode. If the PLL
 * does not start, the chip goes on at 4 MHz and says so (ek_port_clock_hz). The UART is LPUART1, on the
 * pins of the profile. The counter is SysTick.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Reset and clock control, 6.4. */
#define RCC_CR           REGISTER(0x40021000u)
#define RCC_CFGR         REGISTER(0x40021008u)
#define RCC_PLLCFGR      REGISTER(0x4002100Cu)
#define RCC_AHB2ENR      REGISTER(0x4002104Cu)
#define RCC_APB1ENR1     REGISTER(0x40021058u)
#define RCC_APB1ENR2     REGISTER(0x4002105Cu)
#define CR_PLLON         (1u << 24)
#define CR_PLLRDY        (1u << 25)
#define CFGR_SW_PLL      3u
#define CFGR_SWS_MASK    (3u << 2)
#define CFGR_SWS_PLL     (3u << 2)
#define CFGR_HPRE_MASK   (0xFu << 4)
#define CFGR_HPRE_DIV2   (8u << 4)
#define PLLCFGR_MSI      1u
#define PLLCFGR_N_SHIFT  8u
#define PLLCFGR_REN      (1u << 24) /* R divides by 2 */
#define APB1ENR1_PWREN   (1u << 28)
#define APB1ENR2_LPUART1 (1u << 0)

/* Power control, 5.4. */
#define PWR_CR2    REGISTER(0x40007004u)
#define PWR_CR5    REGISTER(0x40007080u)
#define CR2_IOSV   (1u << 9) /* the supply VDDIO2 of port G is there (5.1.3) */
#define CR5_R1MODE (1u << 8)

/* Flash interface, 3.7: prefetch, caches, wait states. */
#define FLASH_ACR       REGISTER(0x40022000u)
#define ACR_ACCELERATED ((1u << 8) | (1u << 9) | (1u << 10))
#define ACR_LATENCY     0xFu

#if EK_BOARD_CLOCK_HZ > 120000000u || EK_BOARD_CLOCK_HZ <= 80000000u || EK_BOARD_CLOCK_HZ % 2000000u != 0
#error "mcu.clock_hz of the board's profile must be even MHz above 80 and up to 120"
#endif
#if defined(EK_BOARD_OSCILLATOR_HZ)
#error "this port runs from the chip's own oscillator: leave mcu.oscillator out of the board's profile"
#endif
#define MSI_HZ 4000000u /* after reset, 6.2.3 */
/* 6.4.4: 4 MHz * N, divided by R = 2. */
#define PLL_N (EK_BOARD_CLOCK_HZ * 2u / MSI_HZ)
/* In range 1 boost mode one wait state for every 20 MHz (3.3.3). */
#define WAIT_STATES ((EK_BOARD_CLOCK_HZ - 1u) / 20000000u)

/* LPUART1, 51.7; alternate function, data sheet DS12023, table 17. */
#if !defined(EK_BOARD_UART_LPUART1)
#error "serial.uart of the board's profile must be LPUART1"
#endif
#define UART_CR1 REGISTER(0x40008000u)
#define UART_CR3 REGISTER(0x40008008u)
#define UART_BRR REGISTER(0x4000800Cu)
#define UART_ISR REGISTER(0x4000801Cu)
#define UART_RDR REGISTER(0x40008024u)
#define UART_TDR REGISTER(0x40008028u)
/* 51.4.7: 256 times its clock, which is that of the bus and here of the core, by the baud rate. */
#define UART_DIVISOR(hz) ((uint32_t)(((hz) * 256ull + EK_BOARD_BAUD / 2u) / EK_BOARD_BAUD))
#define UART_FUNCTION    8u
#define CR1_UE           (1u << 0)
#define CR1_RE           (1u << 2)
#define CR1_TE           (1u << 3)
#define CR3_OVRDIS       (1u << 12)
#define ISR_RXNE         (1u << 5)
#define ISR_TC           (1u << 6)
#define ISR_TXE          (1u << 7)

/* General-purpose pins, 8.4. */
#define GPIO(port, offset) REGISTER(0x48000000u + (port) * 0x400u + (offset))
#define GPIO_MODER         0x00u
#define GPIO_PUPDR         0x0Cu
#define GPIO_AFRL          0x20u
#define MODE_ALTERNATE     2u
#define PULL_UP            1u

/* Far more polls than a PLL takes to lock, and than a microsecond. */
#define POLLS         200000u
#define POLLS_OF_1_US 200u

static uint32_t core_hz;

static int becomes(volatile uint32_t *flags, uint32_t mask, uint32_t wanted) {
    for (uint32_t poll = 0; poll < POLLS; ++poll) {
        if ((*flags & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

/* Returns the clock that the core then has. The steps up from 80 MHz are those of 5.1.8. */
static uint32_t start_clock(void) {
    RCC_PLLCFGR = PLLCFGR_REN | (PLL_N << PLLCFGR_N_SHIFT) | PLLCFGR_MSI;
    RCC_CR |= CR_PLLON;
    if (!becomes(&RCC_CR, CR_PLLRDY, CR_PLLRDY)) {
        return MSI_HZ;
    }
    PWR_CR5 &= ~CR5_R1MODE;
    FLASH_ACR = ACR_ACCELERATED | WAIT_STATES;
    if (!becomes(&FLASH_ACR, ACR_LATENCY, WAIT_STATES)) {
        return MSI_HZ;
    }
    RCC_CFGR = CFGR_HPRE_DIV2 | CFGR_SW_PLL;
    if (!becomes(&RCC_CFGR, CFGR_SWS_MASK, CFGR_SWS_PLL)) {
        RCC_CFGR = 0;
        return MSI_HZ;
    }
    for (uint32_t poll = 0; poll < POLLS_OF_1_US; ++poll) {
        (void)RCC_CFGR;
    }
    RCC_CFGR &= ~CFGR_HPRE_MASK;
    return EK_BOARD_CLOCK_HZ;
}

/* Gives a pin to the UART, with a pull-up, so that an open line is silent. */
static void connect_pin(uint32_t port, uint32_t pin) {
    RCC_AHB2ENR |= 1u << port;
    (void)RCC_AHB2ENR;
    volatile uint32_t *function = &GPIO(port, GPIO_AFRL + pin / 8u * 4u);
    const uint32_t nibble = pin % 8u * 4u;
    *function = (*function & ~(0xFu << nibble)) | (UART_FUNCTION << nibble);
    GPIO(port, GPIO_PUPDR) = (GPIO(port, GPIO_PUPDR) & ~(3u << (2u * pin))) | (PULL_UP << (2u * pin));
    GPIO(port, GPIO_MODER) = (GPIO(port, GPIO_MODER) & ~(3u << (2u * pin))) | (MODE_ALTERNATE << (2u * pin));
}

void ek_port_init(void) {
    RCC_APB1ENR1 |= APB1ENR1_PWREN;
    (void)RCC_APB1ENR1; /* two cycles until the registers answer (6.2.18) */
    core_hz = start_clock();
    PWR_CR2 |= CR2_IOSV;
    RCC_APB1ENR2 |= APB1ENR2_LPUART1;
    connect_pin(EK_BOARD_TX_PORT, EK_BOARD_TX_PIN);
    connect_pin(EK_BOARD_RX_PORT, EK_BOARD_RX_PIN);
    UART_BRR = core_hz == MSI_HZ ? UART_DIVISOR(MSI_HZ) : UART_DIVISOR(EK_BOARD_CLOCK_HZ);
    UART_CR3 = CR3_OVRDIS; /* a byte that comes too early is lost, and costs the link a repetition */
    UART_CR1 = CR1_UE | CR1_TE | CR1_RE;
    ek_cortex_m_start_ticks();
}

int ek_port_read_byte(void) {
    while ((UART_ISR & ISR_RXNE) == 0) {
    }
    return (int)(UART_RDR & 0xFFu);
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while ((UART_ISR & ISR_TXE) == 0) {
        }
        UART_TDR = data[i];
    }
}

void ek_port_flush(void) {
    while ((UART_ISR & ISR_TC) == 0) {
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return ek_cortex_m_ticks();
}

uint32_t ek_port_clock_hz(void) {
    return core_hz;
}

void ek_port_reset(void) {
    ek_cortex_m_system_reset();
}
