/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP32-C3, started by "direct boot": the boot ROM finds two magic words at the start of flash, maps
 * the flash at 0x42000000 (code) and 0x3C000000 (data) and jumps behind the words. No second-stage boot
 * loader and no ESP-IDF take part. Silicon revision 3 or later. Sections below are those of the ESP32-C3
 * Technical Reference Manual.
 *
 * The core runs at the crystal's 40 MHz: the PLL needs calibration through undocumented registers,
 * which ESP-IDF does. The link is the chip's USB port or UART0, as the profile says. The counter counts
 * cycles in 32 bits; whoever reads it extends it, so an inference of more than 107 s is mistimed.
 */
#include "edgekit/ek_port.h"

#include "ek_board.h"
#include "ek_riscv.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

__attribute__((used, section(".boot"))) static const uint32_t direct_boot_magic[2] = {0xAEDB041Du,
                                                                                      0xAEDB041Du};

/* Clock: chapter "System Registers", SYSTEM_SYSCLK_CONF_REG. The crystal, undivided. */
#define SYSCLK_CONF         REGISTER(0x600C0058u)
#define SYSCLK_SOURCE_MASK  (3u << 10)
#define SYSCLK_DIVIDER_MASK 0x3FFu
#define CRYSTAL_HZ          40000000u

/* Watchdogs: chapters "Timer Group" and "Low-power Management"; the boot ROM leaves them running. */
#define TIMER_GROUP_0     0x6001F000u
#define TIMER_GROUP_1     0x60020000u
#define TIMER_WDTCONFIG0  0x48u
#define TIMER_WDTWPROTECT 0x64u
#define TIMER_CONF_UPDATE (1u << 22)
#define RTC_WDTCONFIG0    REGISTER(0x60008090u)
#define RTC_WDTWPROTECT   REGISTER(0x600080A8u)
#define RTC_SWD_CONF      REGISTER(0x600080ACu)
#define RTC_SWD_WPROTECT  REGISTER(0x600080B0u)
#define WDT_KEY           0x50D83AA1u
#define SWD_KEY           0x8F1D312Au
#define SWD_AUTO_FEED     (1u << 31)
#define LOCKED            0u
#define RTC_OPTIONS0      REGISTER(0x60008000u)
/* The core alone: the USB port stays there meanwhile. */
#define OPTIONS0_CPU_RESET (1u << 5)

/* Performance counter: chapter "ESP-RISC-V CPU", "Control and Status Registers": mpcer, mpcmr, mpccr. */
#define COUNT_CYCLES 1u
#define COUNT_ENABLE 1u

static uint32_t last_count, count_wraps;

static void stop_timer_watchdog(uint32_t group) {
    REGISTER(group + TIMER_WDTWPROTECT) = WDT_KEY;
    REGISTER(group + TIMER_WDTCONFIG0) = TIMER_CONF_UPDATE; /* all stages and the boot mode off */
    REGISTER(group + TIMER_WDTWPROTECT) = LOCKED;
}

static void stop_watchdogs(void) {
    stop_timer_watchdog(TIMER_GROUP_0);
    stop_timer_watchdog(TIMER_GROUP_1);
    RTC_WDTWPROTECT = WDT_KEY;
    RTC_WDTCONFIG0 = 0;
    RTC_WDTWPROTECT = LOCKED;
    RTC_SWD_WPROTECT = SWD_KEY;
    RTC_SWD_CONF |= SWD_AUTO_FEED;
    RTC_SWD_WPROTECT = LOCKED;
}

uint64_t ek_port_ticks(void) {
    uint32_t count;
    __asm__ volatile("csrr %0, 0x7e2" : "=r"(count));
    if (count < last_count) {
        ++count_wraps;
    }
    last_count = count;
    return ((uint64_t)count_wraps << 32) | count;
}

#if defined(EK_BOARD_UART_USB_SERIAL_JTAG)

/* Chapter "USB Serial/JTAG Controller", Registers. What is written leaves when a packet is full or told to.
 */
#define USB_EP1          REGISTER(0x60043000u)
#define USB_EP1_CONF     REGISTER(0x60043004u)
#define CONF_WRITE_DONE  (1u << 0)
#define CONF_IN_FREE     (1u << 1)
#define CONF_OUT_ARRIVED (1u << 2)

static void start_serial(void) {
    /* It works since power-on. */
}

int ek_port_read_byte(void) {
    while ((USB_EP1_CONF & CONF_OUT_ARRIVED) == 0) {
        (void)ek_port_ticks(); /* so that no wrap of the counter is missed */
    }
    return (int)(USB_EP1 & 0xFFu);
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while ((USB_EP1_CONF & CONF_IN_FREE) == 0) {
        }
        USB_EP1 = data[i];
    }
}

void ek_port_flush(void) {
    USB_EP1_CONF = CONF_WRITE_DONE;
}

#elif defined(EK_BOARD_UART_UART0)

/* Chapter "UART Controller", Registers. The boot ROM has set it up for 115200 baud, on its usual pins. */
#define UART_FIFO         REGISTER(0x60000000u)
#define UART_CLKDIV       REGISTER(0x60000014u)
#define UART_STATUS       REGISTER(0x6000001Cu)
#define UART_CLK_CONF     REGISTER(0x60000078u)
#define UART_ID           REGISTER(0x60000080u)
#define STATUS_RX_MASK    0x3FFu
#define STATUS_TX_SHIFT   16u
#define STATUS_TX_MASK    0x3FFu
#define TX_FIFO_BYTES     128u
#define CLKDIV_FRAG_SHIFT 20u
#define CLK_CONF_SOURCE   (3u << 20)
#define CLK_CONF_CRYSTAL  (3u << 20)
#define CLK_CONF_DIV_MASK (0xFFu << 12)
#define ID_UPDATE         (1u << 31)
#define POLLS             100000u
#define DIVISOR_16THS     ((CRYSTAL_HZ * 16u + EK_BOARD_BAUD / 2u) / EK_BOARD_BAUD)

static void start_serial(void) {
    UART_CLK_CONF = (UART_CLK_CONF & ~(CLK_CONF_SOURCE | CLK_CONF_DIV_MASK)) | CLK_CONF_CRYSTAL;
    UART_CLKDIV = (DIVISOR_16THS / 16u) | (DIVISOR_16THS % 16u << CLKDIV_FRAG_SHIFT);
    UART_ID |= ID_UPDATE;
    for (uint32_t poll = 0; poll < POLLS && (UART_ID & ID_UPDATE) != 0; ++poll) {
    }
}

int ek_port_read_byte(void) {
    while ((UART_STATUS & STATUS_RX_MASK) == 0) {
        (void)ek_port_ticks(); /* so that no wrap of the counter is missed */
    }
    return (int)(UART_FIFO & 0xFFu);
}

static uint32_t unsent_bytes(void) {
    return (UART_STATUS >> STATUS_TX_SHIFT) & STATUS_TX_MASK;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        while (unsent_bytes() >= TX_FIFO_BYTES - 1u) {
        }
        UART_FIFO = data[i];
    }
}

void ek_port_flush(void) {
    while (unsent_bytes() != 0) {
    }
}

#else
#error "serial.uart of the board's profile must be USB_SERIAL_JTAG or UART0"
#endif

void ek_port_init(void) {
    stop_watchdogs();
    SYSCLK_CONF &= ~(SYSCLK_SOURCE_MASK | SYSCLK_DIVIDER_MASK);
    __asm__ volatile("csrw 0x7e0, %0\n csrw 0x7e1, %1" : : "r"(COUNT_CYCLES), "r"(COUNT_ENABLE));
    start_serial();
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint32_t ek_port_clock_hz(void) {
    return CRYSTAL_HZ;
}

void ek_port_reset(void) {
    RTC_OPTIONS0 |= OPTIONS0_CPU_RESET;
    for (;;) {
    }
}
