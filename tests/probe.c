/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that exercises a port without an operating system: one-letter commands, binary answers.
 * Numbers are 32-bit little-endian unless said otherwise.
 */
#include "edgekit/ek_port.h"

#include <string.h>

static volatile uint32_t initialised = 0x12345678u;
static volatile uint32_t zeroed;
static volatile float third = 1.0f / 3.0f;
static volatile uint32_t sink;

static uint32_t read_number(void) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        value |= (uint32_t)ek_port_read_byte() << shift;
    }
    return value;
}

static void write_number(uint32_t value) {
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};
    ek_port_write(bytes, sizeof bytes);
}

static void echo(uint32_t count) {
    uint8_t buffer[64];
    while (count > 0) {
        const uint32_t part = count < sizeof buffer ? count : (uint32_t)sizeof buffer;
        for (uint32_t i = 0; i < part; ++i) {
            buffer[i] = (uint8_t)ek_port_read_byte();
        }
        ek_port_write(buffer, part);
        count -= part;
    }
}

/* Two instructions an iteration. */
static void spin(uint32_t iterations) {
#if defined(__riscv)
    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(iterations));
#else
    __asm__ volatile(".syntax unified\n 1: subs %0, %0, #1\n bne 1b" : "+l"(iterations) : : "cc");
#endif
}

static void time_loop(uint32_t iterations) {
    const uint64_t start = ek_port_ticks();
    spin(iterations);
    const uint64_t ticks = ek_port_ticks() - start;
    write_number((uint32_t)ticks);
    write_number((uint32_t)(ticks >> 32));
}

/* Uses at least `bytes` of stack. */
__attribute__((noinline)) static uint32_t use_stack(uint32_t bytes) {
    uint8_t frame[64];
    frame[0] = (uint8_t)bytes;
    __asm__ volatile("" : : "r"(frame) : "memory"); /* all of the frame may be in use */
    const uint32_t deeper = bytes > sizeof frame ? use_stack(bytes - (uint32_t)sizeof frame) : 0;
    __asm__ volatile("" : : "r"(frame) : "memory");
    return deeper + frame[0];
}

static void describe(void) {
    const char *name = ek_port_board_name();
    ek_port_write((const uint8_t *)name, strlen(name) + 1);
    write_number((uint32_t)ek_port_tick_unit());
    write_number(ek_port_clock_hz());
}

/* Returns 0 to end the program. */
static int run(int command) {
    switch (command) {
    case 'E':
        echo(read_number());
        break;
    case 'I':
        describe();
        break;
    case 'M': /* memory as C promises it at start-up; spoils it, so that a reset can be told */
        write_number(initialised);
        write_number(zeroed);
        initialised = zeroed = 0xFFFFFFFFu;
        break;
    case 'F':
        write_number((uint32_t)(third * 3000.0f + 0.5f));
        break;
    case 'T':
        time_loop(read_number());
        break;
    case 'S':
        write_number(ek_port_stack_used_bytes());
        break;
    case 'K':
        sink = use_stack(read_number());
        write_number(ek_port_stack_used_bytes());
        break;
    case 'A': /* a word from an address, which need not be a multiple of 4 */
        write_number(*(volatile uint32_t *)(uintptr_t)read_number());
        break;
    case 'W': /* write a byte to an address */
        *(volatile uint8_t *)(uintptr_t)read_number() = 1;
        break;
    case 'J': /* jump to an address */
        ((void (*)(void))(uintptr_t)read_number())();
        break;
    case 'U':
#if defined(__riscv)
        __asm__ volatile("unimp");
#else
        __asm__ volatile("udf #1");
#endif
        break;
    case 'H':
        for (;;) {
            ++sink;
        }
    case 'R':
        ek_port_reset();
        break;
    default:
        return 0;
    }
    return 1;
}

int main(void) {
    ek_port_init();
    for (;;) {
        const int command = ek_port_read_byte();
        if (command < 0 || !run(command)) {
            return 0;
        }
        ek_port_flush();
    }
}
