/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on an AVR emulated by libsimavr: `simavr_board CHIP CLOCK_HZ BAUD FLASH_FILE`. FLASH_FILE
 * holds the contents of flash from address 0 on. Standard input and output are USART0 at BAUD baud, with a
 * byte's time between bytes in both directions: what the program does not fetch in time is lost, as on the
 * chip. A program that sets the USART to another rate is stopped.
 *
 * Time passes as fast as this computer can run the program; while it sleeps and nothing is to be received,
 * as slowly as on the chip, so that an idle board costs no time.
 *
 * Exit codes: 0 standard input ended, 1 the program cannot be run or stopped itself, 2 wrong arguments.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>

#define BITS_A_BYTE     10 /* start bit, 8 data bits, stop bit */
#define CHUNK_BYTES     4096
#define LEAST_CLOCK_HZ  1000 /* a cycle a millisecond */
#define RAM_AT_POWER_ON 0xa5
/* A receiver samples the middle of each bit: both ends together may be off by half a bit in ten. This one end
 * may be off by 3 % (ATmega2560 data sheet, 22.8.3); 16 MHz make 117,647 of 115,200 baud, 2.1 %. */
#define LARGEST_DEVIATION_PERCENT 3

/* Registers of USART0 (ATmega640/1280/1281/2560/2561 data sheet, 33, Register Summary). */
#define UCSR0A 0xc0
#define UCSR0B 0xc1
#define UBRR0L 0xc4
#define UBRR0H 0xc5
#define U2X0   1
#define RXEN0  4

typedef struct board {
    avr_t *avr;
    avr_irq_t *to_chip;
    void (*reset_core)(struct avr_t *avr); /* simavr's own part of a reset */
    avr_cycle_count_t cycles_per_byte;
    avr_cycle_count_t slept_cycles; /* not waited for yet */
    uint32_t baud;
    size_t received; /* bytes in `input`, of which `delivered` went to the chip */
    size_t delivered;
    size_t sent; /* bytes in `output` */
    uint8_t input[CHUNK_BYTES];
    uint8_t output[CHUNK_BYTES];
} board;

/* avr_t's callbacks have no argument of ours. */
static board the_board;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void log_to_standard_error(struct avr_t *avr, const int level, const char *format, va_list arguments) {
    (void)avr;
    if (level <= LOG_ERROR) {
        vfprintf(stderr, format, arguments);
    }
}

/* ---- from the chip ---- */

static void flush_output(board *b) {
    for (size_t written = 0; written < b->sent;) {
        const ssize_t count = write(STDOUT_FILENO, b->output + written, b->sent - written);
        if (count < 0 && errno != EINTR) {
            exit(0); /* nobody listens any more */
        }
        written += count > 0 ? (size_t)count : 0;
    }
    b->sent = 0;
}

/* Ends the program where the chip's rate is not the line's: they would exchange noise. */
static void check_rate(const board *b) {
    const uint8_t *const registers = b->avr->data;
    const uint32_t divider = (registers[UBRR0L] | (registers[UBRR0H] & 0x0fu) << 8) + 1;
    const uint32_t clocks = registers[UCSR0A] & 1u << U2X0 ? 8 : 16;
    const uint32_t rate = b->avr->frequency / (clocks * divider);
    const uint32_t deviation = rate > b->baud ? rate - b->baud : b->baud - rate;
    if ((uint64_t)deviation * 100 > (uint64_t)b->baud * LARGEST_DEVIATION_PERCENT) {
        fail("the firmware sets USART0 to %u baud, the line has %u", (unsigned)rate, (unsigned)b->baud);
    }
}

static void take_output(avr_irq_t *irq, uint32_t value, void *parameter) {
    board *const b = parameter;
    (void)irq;
    check_rate(b);
    b->output[b->sent++] = (uint8_t)value;
    if (b->sent == sizeof b->output) {
        flush_output(b);
    }
}

/* ---- to the chip ---- */

/* Fills `input` where it is used up, waiting for at most timeout_ms. Returns whether there is any. */
static int has_input(board *b, int timeout_ms) {
    struct pollfd readable = {STDIN_FILENO, POLLIN, 0};
    if (b->delivered < b->received) {
        return 1;
    }
    if (poll(&readable, 1, timeout_ms) <= 0) {
        return 0;
    }
    const ssize_t count = read(STDIN_FILENO, b->input, sizeof b->input);
    if (count == 0) {
        exit(0);
    }
    b->delivered = 0;
    b->received = count > 0 ? (size_t)count : 0;
    return count > 0;
}

/* Once a byte's time: hands over what the chip has sent, and sends it the next byte. */
static avr_cycle_count_t pass_byte(struct avr_t *avr, avr_cycle_count_t when, void *parameter) {
    board *const b = parameter;
    flush_output(b);
    if (has_input(b, 0)) {
        const uint8_t byte = b->input[b->delivered++];
        if (avr->data[UCSR0B] & 1u << RXEN0) {
            check_rate(b);
            avr_raise_irq(b->to_chip, byte);
        }
    }
    return when + b->cycles_per_byte;
}

/* Called in each reset, which ends all of simavr's timers: ours goes on, as the line does. */
static void keep_line(struct avr_t *avr) {
    if (the_board.reset_core != NULL) {
        the_board.reset_core(avr);
    }
    avr_cycle_timer_register(avr, the_board.cycles_per_byte, pass_byte, &the_board);
}

/* The chip sleeps for so many cycles, unless an interrupt wakes it. */
static void wait_for_input(struct avr_t *avr, avr_cycle_count_t cycles) {
    const avr_cycle_count_t cycles_per_ms = avr->frequency / 1000;
    the_board.slept_cycles += cycles;
    if (the_board.slept_cycles >= cycles_per_ms) { /* they come a few at a time */
        (void)has_input(&the_board, (int)(the_board.slept_cycles / cycles_per_ms));
        the_board.slept_cycles %= cycles_per_ms;
    }
}

/* ---- start ---- */

static uint32_t number(const char *text) {
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value == 0 || value > UINT32_MAX) {
        fprintf(stderr, "'%s' is not a number above 0\n", text);
        exit(2);
    }
    return (uint32_t)value;
}

static void load_flash(avr_t *avr, const char *path) {
    const size_t capacity_bytes = (size_t)avr->flashend + 1;
    uint8_t *const code = malloc(capacity_bytes + 1);
    FILE *const file = fopen(path, "rb");
    if (code == NULL || file == NULL) {
        fail("%s: %s", path, strerror(errno));
    }
    const size_t size_bytes = fread(code, 1, capacity_bytes + 1, file);
    if (ferror(file) || size_bytes == 0 || size_bytes > capacity_bytes) {
        fail("%s: cannot be read, is empty, or larger than the flash of %zu bytes", path, capacity_bytes);
    }
    fclose(file);
    avr_loadcode(avr, code, (uint32_t)size_bytes, 0);
    avr->codeend = avr->flashend;
    free(code);
}

static void connect_line(board *b) {
    uint32_t flags = 0; /* no lines of text on standard output, no waiting for a program that polls */
    avr_ioctl(b->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    b->to_chip = avr_io_getirq(b->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_t *const from_chip = avr_io_getirq(b->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT);
    if (b->to_chip == NULL || from_chip == NULL) {
        fail("simavr's %s has no USART0", b->avr->mmcu);
    }
    avr_irq_register_notify(from_chip, take_output, b);
    b->cycles_per_byte = (avr_cycle_count_t)b->avr->frequency * BITS_A_BYTE / b->baud;
    avr_cycle_timer_register(b->avr, b->cycles_per_byte, pass_byte, b);
    b->reset_core = b->avr->reset;
    b->avr->reset = keep_line;
}

int main(int argc, char **argv) {
    board *const b = &the_board;
    if (argc != 5) {
        fputs("usage: simavr_board CHIP CLOCK_HZ BAUD FLASH_FILE\n", stderr);
        return 2;
    }
    avr_global_logger_set(log_to_standard_error);
    b->avr = avr_make_mcu_by_name(argv[1]);
    if (b->avr == NULL) {
        fail("simavr knows no chip '%s'", argv[1]);
    }
    avr_init(b->avr);
    b->avr->frequency = number(argv[2]);
    b->avr->log = LOG_ERROR;
    b->avr->sleep = wait_for_input;
    b->baud = number(argv[3]);
    if (b->avr->frequency < LEAST_CLOCK_HZ || b->avr->frequency < b->baud) {
        fail("a clock of %u Hz is too slow for %u baud", (unsigned)b->avr->frequency, (unsigned)b->baud);
    }
    memset(b->avr->data + b->avr->ioend + 1, RAM_AT_POWER_ON, (size_t)b->avr->ramend - b->avr->ioend);
    load_flash(b->avr, argv[4]);
    connect_line(b);
    int state = cpu_Running;
    while (state != cpu_Done && state != cpu_Crashed) {
        state = avr_run(b->avr);
    }
    flush_output(b);
    fail("the firmware stopped the processor at address 0x%05x", (unsigned)b->avr->pc);
}
