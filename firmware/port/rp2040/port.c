/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RP2040 (RP2040 data sheet; sections below are its). The crystal of the profile feeds the system PLL,
 * which clocks processor and peripherals. One core runs. The UART is the one of the profile, on its
 * pins; its FIFO holds 32 received bytes. The counter is SysTick.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_cortex_m.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Every peripheral register can also be set and cleared bit by bit, at other addresses (2.1.2). */
#define SET_BITS(address)   REGISTER((address) + 0x2000u)
#define CLEAR_BITS(address) REGISTER((address) + 0x3000u)

/* Resets, 2.14.3. */
#define RESETS_RESET      0x4000C000u
#define RESETS_RESET_DONE 0x4000C008u
#define RESET_IO_BANK0    (1u << 5)
#define RESET_PADS_BANK0  (1u << 8)
#define RESET_PLL_SYS     (1u << 12)
#define RESET_UART0       (1u << 22)
#define RESET_UART1       (1u << 23)

/* Crystal oscillator, 2.16.7. Its start-up delay counts 256 periods: a millisecond. */
#define XOSC_CTRL     REGISTER(0x40024000u)
#define XOSC_STATUS   REGISTER(0x40024004u)
#define XOSC_STARTUP  REGISTER(0x4002400Cu)
#define CTRL_1_15_MHZ 0xAA0u
#define CTRL_ENABLE   (0xFABu << 12)
#define STATUS_STABLE (1u << 31)
#define STARTUP_DELAY (EK_BOARD_OSCILLATOR_HZ / 1000u / 256u + 1u)

/* System PLL, 2.18.4: crystal * FBDIV / (POSTDIV1 * POSTDIV2); its VCO runs at 750 MHz to 1600 MHz. */
#define PLL_CS         REGISTER(0x40028000u)
#define PLL_PWR        0x40028004u
#define PLL_FBDIV      REGISTER(0x40028008u)
#define PLL_PRIM       REGISTER(0x4002800Cu)
#define CS_LOCK        (1u << 31)
#define PWR_PD         (1u << 0)
#define PWR_POSTDIVPD  (1u << 3)
#define PWR_VCOPD      (1u << 5)
#define POSTDIV1       6u
#define POSTDIV2       2u
#define POSTDIV1_SHIFT 16u
#define POSTDIV2_SHIFT 12u
#define FBDIV          (EK_BOARD_CLOCK_HZ / 1000u * POSTDIV1 * POSTDIV2 / (EK_BOARD_OSCILLATOR_HZ / 1000u))
#if !defined(EK_BOARD_OSCILLATOR_CRYSTAL) || EK_BOARD_OSCILLATOR_HZ > 15000000u
#error "the board's profile must name the crystal, mcu.oscillator_hz, of up to 15 MHz"
#endif
#if EK_BOARD_CLOCK_HZ < 62500000u || EK_BOARD_CLOCK_HZ > 133000000u
#error "mcu.clock_hz of the board's profile must be from 62.5 MHz to 133 MHz"
#endif

/* Clock generators, 2.15.7. SELECTED has a bit for each source; one is set. */
#define CLK_REF_CTRL     REGISTER(0x40008030u)
#define CLK_REF_SELECTED REGISTER(0x40008038u)
#define CLK_SYS_CTRL     REGISTER(0x4000803Cu)
#define CLK_SYS_SELECTED REGISTER(0x40008044u)
#define CLK_PERI_CTRL    REGISTER(0x40008048u)
#define REF_SRC_ROSC     0u
#define REF_SRC_XOSC     2u
#define SYS_SRC_REF      0u
#define SYS_SRC_PLL_SYS  1u /* SRC: the auxiliary source, AUXSRC: 0, the system PLL */
#define PERI_ENABLE      (1u << 11)

/* Pins: function select, 2.19.6.1; pads, 2.19.6.3. */
#define GPIO_CTRL(pin) REGISTER(0x40014004u + (pin) * 8u)
#define PAD(pin)       (0x4001C004u + (pin) * 4u)
#define FUNCTION_UART  2u
#define PAD_PULL_DOWN  (1u << 2)
#define PAD_PULL_UP    (1u << 3)

/* UART: an Arm PL011, 4.2.8. */
#if defined(EK_BOARD_UART_UART0)
#define UART_BASE  0x40034000u
#define RESET_UART RESET_UART0
#elif defined(EK_BOARD_UART_UART1)
#define UART_BASE  0x40038000u
#define RESET_UART RESET_UART1
#else
#error "serial.uart of the board's profile must be UART0 or UART1"
#endif
#define UART_DR    REGISTER(UART_BASE + 0x00u)
#define UART_FR    REGISTER(UART_BASE + 0x18u)
#define UART_IBRD  REGISTER(UART_BASE + 0x24u)
#define UART_FBRD  REGISTER(UART_BASE + 0x28u)
#define UART_LCR_H REGISTER(UART_BASE + 0x2Cu)
#define UART_CR    REGISTER(UART_BASE + 0x30u)
#define FR_BUSY    (1u << 3)
#define FR_RXFE    (1u << 4)
#define FR_TXFF    (1u << 5)
#define FR_TXFE    (1u << 7)
#define LCR_H_FEN  (1u << 4)
#define LCR_H_8BIT (3u << 5)
#define CR_ENABLED ((1u << 0) | (1u << 8) | (1u << 9))
/* 4.2.3.2.1: the divisor of 16 times the baud rate, in 64ths. */
#define DIVISOR_64THS ((EK_BOARD_CLOCK_HZ * 4u + EK_BOARD_BAUD / 2u) / EK_BOARD_BAUD)

/* Watchdog, 4.7.6, and what it resets, 2.13.5: all but the oscillators. */
#define PSM_WDSEL         REGISTER(0x40010008u)
#define WDSEL_ALL_BUT_OSC 0x1FFFCu
#define WATCHDOG_CTRL     0x40058000u
#define WATCHDOG_SCRATCH4 REGISTER(0x4005801Cu)
#define CTRL_TRIGGER      (1u << 31)

/* Memory protection unit: Armv6-M Architecture Reference Manual (DDI 0419E), B3.5. */
#define MPU_CTRL       REGISTER(0xE000ED94u)
#define MPU_RNR        REGISTER(0xE000ED98u)
#define MPU_RBAR       REGISTER(0xE000ED9Cu)
#define MPU_RASR       REGISTER(0xE000EDA0u)
#define GUARD_BASE     0x1FFF0000u
#define GUARD_64_KB    ((1u << 28) | (15u << 1) | 1u) /* no access, nothing to execute */
#define MPU_BACKGROUND 5u                             /* all else as without the unit */

static void restart_blocks(uint32_t blocks) {
    SET_BITS(RESETS_RESET) = blocks;
    CLEAR_BITS(RESETS_RESET) = blocks;
    while ((REGISTER(RESETS_RESET_DONE) & blocks) != blocks) {
    }
}

/* Below RAM the chip decodes the flash interface, where a stack that overflows would write unnoticed. */
static void guard_stack(void) {
    MPU_RNR = 0;
    MPU_RBAR = GUARD_BASE;
    MPU_RASR = GUARD_64_KB;
    MPU_CTRL = MPU_BACKGROUND;
    __asm__ volatile("dsb\n isb" ::: "memory");
}

static void start_clock(void) {
    /* Off the PLL, where a debugger started this program anew. */
    CLK_SYS_CTRL = SYS_SRC_REF;
    while (CLK_SYS_SELECTED != 1u << SYS_SRC_REF) {
    }
    CLK_REF_CTRL = REF_SRC_ROSC;
    while (CLK_REF_SELECTED != 1u << REF_SRC_ROSC) {
    }
    XOSC_STARTUP = STARTUP_DELAY;
    XOSC_CTRL = CTRL_ENABLE | CTRL_1_15_MHZ;
    while ((XOSC_STATUS & STATUS_STABLE) == 0) {
    }
    restart_blocks(RESET_PLL_SYS);
    PLL_CS = 1; /* REFDIV */
    PLL_FBDIV = FBDIV;
    CLEAR_BITS(PLL_PWR) = PWR_PD | PWR_VCOPD;
    while ((PLL_CS & CS_LOCK) == 0) {
    }
    PLL_PRIM = (POSTDIV1 << POSTDIV1_SHIFT) | (POSTDIV2 << POSTDIV2_SHIFT);
    CLEAR_BITS(PLL_PWR) = PWR_POSTDIVPD;
    CLK_REF_CTRL = REF_SRC_XOSC;
    while (CLK_REF_SELECTED != 1u << REF_SRC_XOSC) {
    }
    CLK_SYS_CTRL = SYS_SRC_PLL_SYS;
    while (CLK_SYS_SELECTED != 1u << SYS_SRC_PLL_SYS) {
    }
    CLK_PERI_CTRL = PERI_ENABLE; /* from the system's clock */
}

void ek_port_init(void) {
    guard_stack();
    start_clock();
    restart_blocks(RESET_IO_BANK0 | RESET_PADS_BANK0 | RESET_UART);
    UART_IBRD = DIVISOR_64THS / 64u;
    UART_FBRD = DIVISOR_64THS % 64u;
    UART_LCR_H = LCR_H_8BIT | LCR_H_FEN; /* takes the divisor over, too */
    UART_CR = CR_ENABLED;
    GPIO_CTRL(EK_BOARD_TX_PIN) = FUNCTION_UART;
    SET_BITS(PAD(EK_BOARD_RX_PIN)) = PAD_PULL_UP; /* an open line is silent */
    CLEAR_BITS(PAD(EK_BOARD_RX_PIN)) = PAD_PULL_DOWN;
    GPIO_CTRL(EK_BOARD_RX_PIN) = FUNCTION_UART;
    ek_cortex_m_start_ticks();
}

int ek_port_read_byte(void) {
    while ((UART_FR & FR_RXFE) != 0) {
    }
    return (int)(UART_DR & 0xFFu);
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while ((UART_FR & FR_TXFF) != 0) {
        }
        UART_DR = data[i];
    }
}

void ek_port_flush(void) {
    while ((UART_FR & (FR_TXFE | FR_BUSY)) != FR_TXFE) {
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

/* The boot ROM starts the flash anew, unless a program left another address in the scratch registers. */
void ek_port_reset(void) {
    PSM_WDSEL = WDSEL_ALL_BUT_OSC;
    WATCHDOG_SCRATCH4 = 0;
    SET_BITS(WATCHDOG_CTRL) = CTRL_TRIGGER;
    for (;;) {
    }
}
