/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device as a process: the link over the fake model, bytes over stdin and stdout. Arguments:
 *   init-fails, invoke-fails    the model's status is EK_ERR_ARENA, EK_ERR_ENGINE
 *   in-halves                   the engine shows each operator's output in two parts
 *   streamed                    the input is streamed
 *   cannot-reset                ek_port_reset returns
 *   chatters                    prints text at start-up and before each flush
 * The most stack used, as told to the host, is the number of runs so far.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "fake_model.h"

static jmp_buf start;
static int can_reset = 1;
static int chatters;
static ek_link serial_link;

static void chatter(const char *text) {
    if (chatters) {
        fputs(text, stdout);
    }
}

void ek_port_init(void) {
    chatter("ets Jul 29 2019 12:21:46\r\nboot: ready\r\n");
    fflush(stdout);
}

int ek_port_read_byte(void) {
    return getchar();
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    fwrite(data, 1, size_bytes, stdout);
}

void ek_port_flush(void) {
    chatter("I (42) app: still here\n");
    fflush(stdout);
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return fake_ticks;
}

uint32_t ek_port_clock_hz(void) {
    return 16000000;
}

uint32_t ek_port_stack_used_bytes(void) {
    return fake_invocations;
}

const char *ek_port_board_name(void) {
    return "fake-board";
}

void ek_port_reset(void) {
    if (can_reset) {
        longjmp(start, 1);
    }
}

/* Digests take time too, which must not be counted as an operator's. Linked with --wrap=ek_crc32. */
uint32_t __real_ek_crc32(uint32_t crc, const uint8_t *data, size_t size_bytes);
uint32_t __wrap_ek_crc32(uint32_t crc, const uint8_t *data, size_t size_bytes);
uint32_t __wrap_ek_crc32(uint32_t crc, const uint8_t *data, size_t size_bytes) {
    fake_ticks += 1000000;
    return __real_ek_crc32(crc, data, size_bytes);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        fake_init_status = strcmp(argv[i], "init-fails") == 0 ? EK_ERR_ARENA : fake_init_status;
        fake_invoke_status = strcmp(argv[i], "invoke-fails") == 0 ? EK_ERR_ENGINE : fake_invoke_status;
        fake_in_halves = fake_in_halves || strcmp(argv[i], "in-halves") == 0;
        fake_streamed = fake_streamed || strcmp(argv[i], "streamed") == 0;
        can_reset = can_reset && strcmp(argv[i], "cannot-reset") != 0;
        chatters = chatters || strcmp(argv[i], "chatters") == 0;
    }
    setjmp(start);
    ek_port_init();
    ek_link_run(&serial_link, ek_model_init(NULL, 0));
    return 0;
}
