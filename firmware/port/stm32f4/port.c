/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STM32F405/415/407/417 (reference manual RM0090) and STM32F446 (RM0390), and QEMU's machines with an
 * STM32F405. Sections are those of RM0090; where RM0390 differs, it is named.
 *
 * The profile's oscillator feeds the PLL, which makes EK_BOARD_CLOCK_HZ; supply 2.7 V to 3.6 V. If
 * oscillator or PLL do not start, the chip goes on at 16 MHz from its internal oscillator and says so
 * (ek_port_clock_hz). The UART is the one of the profile, on its pins. The counter is SysTick.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Reset and clock control, 7.3. */
#define RCC_CR          REGISTER(0x40023800u)
#define RCC_PLLCFGR     REGISTER(0x40023804u)
#define RCC_CFGR        REGISTER(0x40023808u)
#define RCC_AHB1ENR     REGISTER(0x40023830u)
#define RCC_APB1ENR     REGISTER(0x40023840u)
#define RCC_APB2ENR     REGISTER(0x40023844u)
#define CR_HSION        (1u << 0)
#define CR_HSEON        (1u << 16)
#define CR_HSERDY       (1u << 17)
#define CR_HSEBYP       (1u << 18)
#define CR_PLLON        (1u << 24)
#define CR_PLLRDY       (1u << 25)
#define PLLCFGR_HSE     (1u << 22)
#define PLLCFGR_Q_SHIFT 24u
#define PLLCFGR_R_2     (2u << 28)
#define PLLCFGR_N_SHIFT 6u
#define CFGR_SW_PLL     2u
#define CFGR_SWS_MASK   (3u << 2)
#define CFGR_SWS_PLL    (2u << 2)
#define CFGR_PPRE1_DIV4 (5u << 10)
#define CFGR_PPRE2_DIV2 (4u << 13)
#define APB1ENR_PWREN   (1u << 28)

/* Power control: over-drive (RM0390, 5.4). The regulator's scale is after reset that of full speed. */
#define PWR_CR      REGISTER(0x40007000u)
#define PWR_CSR     REGISTER(0x40007004u)
#define CR_ODEN     (1u << 16)
#define CR_ODSWEN   (1u << 17)
#define CSR_ODRDY   (1u << 16)
#define CSR_ODSWRDY (1u << 17)

/* Flash interface, 3.9: prefetch, caches, wait states. */
#define FLASH_ACR       REGISTER(0x40023C00u)
#define ACR_ACCELERATED ((1u << 8) | (1u << 9) | (1u << 10))
#define ACR_LATENCY     0xFu

#if EK_BOARD_CLOCK_HZ > 180000000u || EK_BOARD_CLOCK_HZ < 50000000u || EK_BOARD_CLOCK_HZ % 1000000u != 0
#error                                                                                                       \
    "mcu.clock_hz of the board's profile must be whole MHz from 50 to 180: the PLL multiplies 1 MHz by twice that"
#endif
/* Above 168 MHz the F446 needs its over-drive mode; the F405 does not get there (its data sheet, 5.3.1). */
#define NEEDS_OVER_DRIVE (EK_BOARD_CLOCK_HZ > 168000000u)

#define HSI_HZ 16000000u
#if defined(EK_BOARD_OSCILLATOR_HZ)
#define SOURCE_HZ     EK_BOARD_OSCILLATOR_HZ
#define SOURCE_CONFIG PLLCFGR_HSE
#if SOURCE_HZ % 1000000u != 0 || SOURCE_HZ < 4000000u || SOURCE_HZ > 50000000u
#error "mcu.oscillator_hz of the board's profile must be whole MHz from 4 to 50"
#endif
#else
#define SOURCE_HZ     HSI_HZ
#define SOURCE_CONFIG 0u
#endif
/*
 * 7.3.2: the PLL's input is 1 MHz, its VCO runs at twice the core clock (P divides by 2), Q is unused. So
 * is R of the F446, which must not be 0 (RM0390, 6.3.2); the F405 has reserved bits there, 2 after reset.
 */
#define PLL_M        (SOURCE_HZ / 1000000u)
#define PLL_N        (EK_BOARD_CLOCK_HZ / 500000u)
#define PLL_UNUSED_Q 8u

/* One wait state for every 30 MHz at 2.7 V to 3.6 V (3.5.1). */
#define WAIT_STATES ((EK_BOARD_CLOCK_HZ - 1u) / 30000000u)

/* USARTs, 30.6; their enable bits, 7.3.13 and 7.3.14; alternate functions, data sheet table 9. */
#if defined(EK_BOARD_UART_USART1)
#define UART_BASE    0x40011000u
#define UART_ENABLE  (RCC_APB2ENR |= 1u << 4)
#define UART_DIVIDER 2u
#elif defined(EK_BOARD_UART_USART2)
#define UART_BASE    0x40004400u
#define UART_ENABLE  (RCC_APB1ENR |= 1u << 17)
#define UART_DIVIDER 4u
#elif defined(EK_BOARD_UART_USART3)
#define UART_BASE    0x40004800u
#define UART_ENABLE  (RCC_APB1ENR |= 1u << 18)
#define UART_DIVIDER 4u
#else
#error "serial.uart of the board's profile must be USART1, USART2 or USART3"
#endif
#define UART_FUNCTION 7u
#define UART_SR       REGISTER(UART_BASE + 0x00u)
#define UART_DR       REGISTER(UART_BASE + 0x04u)
#define UART_BRR      REGISTER(UART_BASE + 0x08u)
#define UART_CR1      REGISTER(UART_BASE + 0x0Cu)
#define SR_RXNE       (1u << 5)
#define SR_TC         (1u << 6)
#define SR_TXE        (1u << 7)
#define CR1_RE        (1u << 2)
#define CR1_TE        (1u << 3)
#define CR1_UE        (1u << 13)

/* General-purpose pins, 8.4. */
#define GPIO(port, offset) REGISTER(0x40020000u + (port) * 0x400u + (offset))
#define GPIO_MODER         0x00u
#define GPIO_PUPDR         0x0Cu
#define GPIO_AFRL          0x20u
#define MODE_ALTERNATE     2u
#define PULL_UP            1u

/* Far more polls than an oscillator or a PLL takes: a chip that lacks one goes on without. */
#define POLLS 200000u

static uint32_t core_hz;

static int becomes(volatile uint32_t *flags, uint32_t mask, uint32_t wanted) {
    for (uint32_t poll = 0; poll < POLLS; ++poll) {
        if ((*flags & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

static int start_oscillator(void) {
#if defined(EK_BOARD_OSCILLATOR_HZ)
#if defined(EK_BOARD_OSCILLATOR_SIGNAL)
    RCC_CR |= CR_HSEBYP;
#endif
    RCC_CR |= CR_HSEON;
    return becomes(&RCC_CR, CR_HSERDY, CR_HSERDY);
#else
    return 1; /* the internal one, which runs after reset */
#endif
}

/* Over-drive is entered once the PLL runs, before the switch to it (RM0390, 5.1.4). */
static int enter_over_drive(void) {
    PWR_CR |= CR_ODEN;
    if (!becomes(&PWR_CSR, CSR_ODRDY, CSR_ODRDY)) {
        return 0;
    }
    PWR_CR |= CR_ODSWEN;
    return becomes(&PWR_CSR, CSR_ODSWRDY, CSR_ODSWRDY);
}

/* Returns the clock that the core then has. */
static uint32_t start_clock(void) {
    if ((RCC_CR & CR_HSION) == 0) {
        return EK_BOARD_CLOCK_HZ; /* no chip comes out of reset like this: an emulator without clocks */
    }
    RCC_APB1ENR |= APB1ENR_PWREN;
    (void)RCC_APB1ENR; /* two cycles until the registers answer (7.2.13) */
    if (!start_oscillator()) {
        return HSI_HZ;
    }
    RCC_PLLCFGR =
        PLLCFGR_R_2 | (PLL_UNUSED_Q << PLLCFGR_Q_SHIFT) | SOURCE_CONFIG | (PLL_N << PLLCFGR_N_SHIFT) | PLL_M;
    RCC_CR |= CR_PLLON;
    if (!becomes(&RCC_CR, CR_PLLRDY, CR_PLLRDY) || (NEEDS_OVER_DRIVE && !enter_over_drive())) {
        return HSI_HZ;
    }
    FLASH_ACR = ACR_ACCELERATED | WAIT_STATES;
    if (!becomes(&FLASH_ACR, ACR_LATENCY, WAIT_STATES)) {
        return HSI_HZ;
    }
    RCC_CFGR = CFGR_PPRE1_DIV4 | CFGR_PPRE2_DIV2 | CFGR_SW_PLL;
    return becomes(&RCC_CFGR, CFGR_SWS_MASK, CFGR_SWS_PLL) ? EK_BOARD_CLOCK_HZ : HSI_HZ;
}

/* Gives a pin to the UART, with a pull-up, so that an open line is silent. */
static void connect_pin(uint32_t port, uint32_t pin) {
    RCC_AHB1ENR |= 1u << port;
    (void)RCC_AHB1ENR;
    volatile uint32_t *function = &GPIO(port, GPIO_AFRL + pin / 8u * 4u);
    const uint32_t nibble = pin % 8u * 4u;
    *function = (*function & ~(0xFu << nibble)) | (UART_FUNCTION << nibble);
    GPIO(port, GPIO_PUPDR) = (GPIO(port, GPIO_PUPDR) & ~(3u << (2u * pin))) | (PULL_UP << (2u * pin));
    GPIO(port, GPIO_MODER) = (GPIO(port, GPIO_MODER) & ~(3u << (2u * pin))) | (MODE_ALTERNATE << (2u * pin));
}

void ek_port_init(void) {
    core_hz = start_clock();
    /* The prescalers of both buses stay at 1 where the PLL did not start. */
    const uint32_t uart_hz = core_hz == HSI_HZ ? HSI_HZ : core_hz / UART_DIVIDER;
    UART_ENABLE;
    connect_pin(EK_BOARD_TX_PORT, EK_BOARD_TX_PIN);
    connect_pin(EK_BOARD_RX_PORT, EK_BOARD_RX_PIN);
    UART_BRR = (uart_hz + EK_BOARD_BAUD / 2u) / EK_BOARD_BAUD; /* 30.3.4, oversampling by 16 */
    UART_CR1 = CR1_UE | CR1_TE | CR1_RE;
    ek_cortex_m_start_ticks();
}

/* Reading SR and then DR also clears an overrun (30.6.1): the lost byte costs the link a repetition. */
int ek_port_read_byte(void) {
    while ((UART_SR & SR_RXNE) == 0) {
    }
    return (int)(UART_DR & 0xFFu);
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while ((UART_SR & SR_TXE) == 0) {
        }
        UART_DR = data[i];
    }
}

void ek_port_flush(void) {
    while ((UART_SR & SR_TC) == 0) {
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
