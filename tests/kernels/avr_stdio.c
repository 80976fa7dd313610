/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input and output of driver.c on an AVR: USART0, which has no handshake. So the program asks for
 * each block of input with the letter R; each byte of output follows the letter O.
 */
#include <avr/io.h>
#include <stdint.h>
#include <stdio.h>

#define BLOCK_BYTES 64
#define BAUD        500000

static uint8_t block[BLOCK_BYTES];
static uint8_t used_bytes = BLOCK_BYTES;

static void send(uint8_t byte) {
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    UDR0 = byte;
}

static int put(char byte, FILE *stream) {
    (void)stream;
    send('O');
    send((uint8_t)byte);
    return 0;
}

static int get(FILE *stream) {
    (void)stream;
    if (used_bytes == BLOCK_BYTES) {
        send('R');
        for (used_bytes = 0; used_bytes < BLOCK_BYTES; used_bytes++) {
            while (!(UCSR0A & _BV(RXC0))) {
            }
            block[used_bytes] = UDR0;
        }
        used_bytes = 0;
    }
    return block[used_bytes++];
}

static FILE line = FDEV_SETUP_STREAM(put, get, _FDEV_SETUP_RW);

__attribute__((constructor)) static void open_line(void) {
    UCSR0A = _BV(U2X0);
    UBRR0 = F_CPU / 8 / BAUD - 1;
    UCSR0B = _BV(RXEN0) | _BV(TXEN0);
    stdin = &line;
    stdout = &line;
    stderr = &line;
}
