/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throws bytes at the link and checks what comes back. An input is a program of steps: raw bytes, or a
 * request with a right CRC and anything inside. Every request gets exactly one well-formed reply under
 * its number, a repeated one the same bytes and no second run; a damaged one gets none.
 *
 * With EK_LIBFUZZER it is a target of libFuzzer. Without, main runs `argv[1]` programs of random bytes
 * from seed `argv[2]` and prints how often each request succeeded ("reply TYPE COUNT") and each error
 * code was seen ("error CODE COUNT"), so that a test can tell a fuzzer that reaches nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "fake_model.h"

#define LONGEST_PROGRAM  4096
#define LONGEST_CAPTURE  (4 * (EK_LINK_MAX_BODY_BYTES + 64))
#define LONGEST_OVERSIZE (EK_LINK_MAX_BODY_BYTES + 20)

#define CHECK(truth)                                                                                         \
    do {                                                                                                     \
        if (!(truth)) {                                                                                      \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #truth);                                      \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static unsigned long replies_seen[256];
static unsigned long errors_seen[16];

/* ---- a port that captures what the link sends ---- */

static uint8_t captured[LONGEST_CAPTURE];
static size_t captured_bytes;
static int reset_seen;

int ek_port_read_byte(void) {
    return -1;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    CHECK(size_bytes <= sizeof captured - captured_bytes);
    memcpy(captured + captured_bytes, data, size_bytes);
    captured_bytes += size_bytes;
}

void ek_port_flush(void) {}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return fake_ticks;
}

uint32_t ek_port_clock_hz(void) {
    return 1;
}

uint32_t ek_port_stack_used_bytes(void) {
    return fake_invocations;
}

const char *ek_port_board_name(void) {
    return "fuzzed";
}

void ek_port_reset(void) {
    reset_seen = 1;
}

/* ---- the program of steps ---- */

typedef struct program {
    const uint8_t *data;
    size_t left;
} program;

static uint8_t next_byte(program *p) {
    if (p->left == 0) {
        return 0;
    }
    p->left--;
    return *p->data++;
}

static ek_link link_state;

static void feed(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; i++) {
        ek_link_receive(&link_state, data[i]);
    }
}

static void feed_raw(program *p) {
    for (unsigned count = next_byte(p); count > 0; count--) {
        const uint8_t byte = next_byte(p);
        captured_bytes = 0;
        feed(&byte, 1);
    }
    const uint8_t delimiter = 0;
    feed(&delimiter, 1);
    captured_bytes = 0;
}

/* The one packet in `captured`, whose size is returned. */
static uint16_t captured_packet(uint8_t *packet, uint16_t capacity_bytes) {
    ek_frame_decoder decoder;
    uint16_t found = 0;
    ek_frame_decoder_init(&decoder, packet, capacity_bytes);
    for (size_t i = 0; i < captured_bytes && found == 0; i++) {
        found = ek_frame_receive(&decoder, captured[i]);
        CHECK(found == 0 || i == captured_bytes - 1);
    }
    return found;
}

static void check_reply(const uint8_t *request, uint16_t body_bytes) {
    uint8_t reply[EK_FRAME_OVERHEAD_BYTES + EK_LINK_MAX_BODY_BYTES];
    if (body_bytes > EK_LINK_MAX_BODY_BYTES) {
        CHECK(captured_bytes == 0);
        return;
    }
    const uint16_t reply_bytes = captured_packet(reply, sizeof reply);
    CHECK(reply_bytes >= EK_FRAME_OVERHEAD_BYTES);
    CHECK(memcmp(reply + 2, request + 2, 2) == 0);
    if (reply[0] == EK_LINK_ERROR_REPLY) {
        const uint16_t code = ek_get_u16(reply + EK_FRAME_HEADER_BYTES);
        CHECK(reply[EK_FRAME_HEADER_BYTES + 2] == request[0]);
        errors_seen[code < EK_LINK_ERR_MODEL ? code : 15]++;
    } else {
        CHECK(reply[0] == (request[0] | EK_LINK_REPLY));
        replies_seen[reply[0]]++;
    }
}

static uint8_t pick_type(program *p) {
    /* Often: what makes the others succeed. */
    static const uint8_t types[] = {
        EK_LINK_HELLO,          EK_LINK_INFO,           EK_LINK_STATUS,           EK_LINK_ECHO,
        EK_LINK_RESET,          EK_LINK_WRITE_INPUT,    EK_LINK_WRITE_INPUT,      EK_LINK_WRITE_INPUT,
        EK_LINK_GENERATE_INPUT, EK_LINK_GENERATE_INPUT, EK_LINK_GENERATE_INPUT,   EK_LINK_GENERATE_INPUT,
        EK_LINK_INVOKE,         EK_LINK_INVOKE,         EK_LINK_INVOKE_GENERATED, EK_LINK_READ_OUTPUT,
        EK_LINK_READ_OUTPUT,    EK_LINK_READ_OUTPUT,    EK_LINK_PROFILE,          EK_LINK_PROFILE,
        EK_LINK_RUN_TO_OP,      EK_LINK_RUN_TO_OP,      EK_LINK_READ_HELD,        EK_LINK_READ_HELD,
        EK_LINK_READ_HELD,
    };
    const uint8_t choice = next_byte(p);
    return choice < 240 ? types[choice % sizeof types] : next_byte(p);
}

/* Bytes that each request's body has at least, so that most requests get past the check of its length. */
static uint16_t pick_body_bytes(program *p, uint8_t type) {
    static const uint8_t fixed[256] = {
        [EK_LINK_HELLO] = 5,
        [EK_LINK_INFO] = 4,
        [EK_LINK_WRITE_INPUT] = 5,
        [EK_LINK_GENERATE_INPUT] = 4,
        [EK_LINK_INVOKE] = 4,
        [EK_LINK_READ_OUTPUT] = 7,
        [EK_LINK_INVOKE_GENERATED] = 4,
        [EK_LINK_PROFILE] = 4,
        [EK_LINK_RUN_TO_OP] = 6,
        [EK_LINK_READ_HELD] = 6,
    };
    const uint8_t choice = next_byte(p);
    if (choice < 216) {
        return fixed[type];
    }
    const unsigned more = choice < 240 ? next_byte(p) % 64u : next_byte(p) * 256u + next_byte(p);
    return (uint16_t)((fixed[type] + more) % LONGEST_OVERSIZE);
}

/* Small numbers reach further than random ones: most bytes of a body are 0 to 7. */
static uint8_t pick_body_byte(program *p) {
    const uint8_t choice = next_byte(p);
    return choice < 128 ? 0 : choice < 224 ? choice % 8 : next_byte(p);
}

/* Writes inputs as a host would: in order, in pieces. */
static void aim_write(uint8_t *body) {
    body[0] = link_state.next_input;
    ek_put_u32(body + 1, link_state.next_offset);
}

static void make_request(program *p, uint8_t *packet, uint16_t *packet_bytes, uint16_t *body_bytes) {
    const uint8_t type = pick_type(p);
    const uint8_t how = next_byte(p);
    uint8_t *body = packet + EK_FRAME_HEADER_BYTES;
    *body_bytes = pick_body_bytes(p, type);
    for (uint16_t i = 0; i < *body_bytes; i++) {
        body[i] = pick_body_byte(p);
    }
    if (type == EK_LINK_INVOKE && *body_bytes >= 4) {
        ek_put_u32(body, body[0] % 4u); /* a fuzzer has no time for four thousand million runs */
    }
    if (type == EK_LINK_WRITE_INPUT && how % 4 != 0 && *body_bytes >= 5) {
        aim_write(body);
    }
    if (type == EK_LINK_RUN_TO_OP && how % 4 != 0 && *body_bytes >= 6) {
        ek_put_u32(body + 2, body[2]); /* a byte that the output may have */
    }
    const uint16_t next = (uint16_t)(link_state.number + 1);
    const uint16_t number = how < 230 ? next : (uint16_t)(next + how - 240);
    *packet_bytes = ek_frame_seal(packet, type, number, *body_bytes);
    if (how == 229) {
        packet[1] = 1; /* a flag that does not exist; the CRC goes with it */
        ek_put_u32(packet + *packet_bytes - 4, ek_crc32(0, packet, *packet_bytes - 4u));
    }
}

static void start_session(void) {
    uint8_t packet[EK_FRAME_OVERHEAD_BYTES + 5] = {0};
    ek_frame_send(packet, ek_frame_seal(packet, EK_LINK_HELLO, 1, 5), feed);
}

/* A request with a wrong length under a right CRC, or with one wrong byte in its frame: not answered. */
static void feed_damaged(program *p) {
    uint8_t packet[EK_FRAME_OVERHEAD_BYTES + LONGEST_OVERSIZE];
    uint16_t packet_bytes, body_bytes;
    make_request(p, packet, &packet_bytes, &body_bytes);
    const uint8_t wrong_length = next_byte(p) % 4;
    ek_put_u16(packet + 4, (uint16_t)(body_bytes + wrong_length));
    ek_put_u32(packet + packet_bytes - 4, ek_crc32(0, packet, packet_bytes - 4u));
    captured_bytes = 0;
    ek_frame_send(packet, packet_bytes, ek_port_write);
    uint8_t frame[LONGEST_CAPTURE];
    const size_t frame_bytes = captured_bytes;
    memcpy(frame, captured, frame_bytes);
    if (wrong_length == 0) {
        frame[(next_byte(p) * 256u + next_byte(p)) % frame_bytes] ^= (uint8_t)(next_byte(p) % 255 + 1);
    }
    frame[frame_bytes] = 0;
    captured_bytes = 0;
    feed(frame, frame_bytes + 1);
    CHECK(captured_bytes == 0);
}

/* A long frame without a CRC, whose type and number are those of `packet`. */
static void feed_noise_like(const uint8_t *packet) {
    uint8_t noise[EK_FRAME_OVERHEAD_BYTES + EK_LINK_MAX_BODY_BYTES];
    memset(noise, 0xa5, sizeof noise);
    memcpy(noise, packet, EK_FRAME_HEADER_BYTES);
    captured_bytes = 0;
    ek_frame_send(noise, sizeof noise, feed);
    CHECK(captured_bytes == 0);
}

/* Noise leaves the reply that is kept. A damaged request may displace it: then none comes, or a new greeting.
 */
static void repeat_after_noise(const uint8_t *packet, uint16_t packet_bytes, const uint8_t *answer,
                               size_t answer_bytes) {
    uint8_t header[EK_FRAME_HEADER_BYTES] = {EK_LINK_ECHO};
    ek_put_u16(header + 2, (uint16_t)(link_state.number - 1));
    feed_noise_like(header);
    captured_bytes = 0;
    ek_frame_send(packet, packet_bytes, feed);
    CHECK(captured_bytes == answer_bytes && memcmp(captured, answer, answer_bytes) == 0);
    ek_put_u16(header + 2, (uint16_t)(link_state.number + 1));
    feed_noise_like(header);
    captured_bytes = 0;
    ek_frame_send(packet, packet_bytes, feed);
    if (captured_bytes != answer_bytes || memcmp(captured, answer, answer_bytes) != 0) {
        uint8_t reply[EK_FRAME_OVERHEAD_BYTES + EK_LINK_MAX_BODY_BYTES];
        CHECK(captured_packet(reply, sizeof reply) >= EK_FRAME_OVERHEAD_BYTES);
        CHECK(reply[0] == (packet[0] == EK_LINK_HELLO ? EK_LINK_HELLO | EK_LINK_REPLY : EK_LINK_ERROR_REPLY));
        CHECK(packet[0] == EK_LINK_HELLO ||
              ek_get_u16(reply + EK_FRAME_HEADER_BYTES) == EK_LINK_ERR_SEQUENCE);
    }
}

static void feed_request(program *p) {
    uint8_t packet[EK_FRAME_OVERHEAD_BYTES + LONGEST_OVERSIZE];
    uint8_t first_answer[LONGEST_CAPTURE];
    uint16_t packet_bytes, body_bytes;
    make_request(p, packet, &packet_bytes, &body_bytes);
    captured_bytes = 0;
    ek_frame_send(packet, packet_bytes, feed);
    check_reply(packet, body_bytes);

    const size_t first_bytes = captured_bytes;
    const uint32_t runs = fake_invocations;
    memcpy(first_answer, captured, first_bytes);
    captured_bytes = 0;
    ek_frame_send(packet, packet_bytes, feed);
    CHECK(fake_invocations == runs);
    CHECK(captured_bytes == first_bytes && memcmp(captured, first_answer, first_bytes) == 0);
    if (body_bytes <= EK_LINK_MAX_BODY_BYTES) {
        repeat_after_noise(packet, packet_bytes, first_answer, first_bytes);
        CHECK(fake_invocations == runs);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    program p = {data, size_bytes};
    fake_in_halves = next_byte(&p) % 2;
    fake_streamed = next_byte(&p) % 2;
    fake_init_status = next_byte(&p) == 7 ? EK_ERR_ARENA : EK_OK;
    fake_invoke_status = next_byte(&p) == 7 ? EK_ERR_ENGINE : EK_OK;
    ek_link_init(&link_state, ek_model_init(NULL, 0));
    captured_bytes = 0;
    if (next_byte(&p) % 16 != 0) {
        start_session();
    }
    while (p.left > 0) {
        const uint8_t step = next_byte(&p) % 16;
        if (step == 0) {
            feed_raw(&p);
        } else if (step == 1) {
            feed_damaged(&p);
        } else {
            feed_request(&p);
        }
    }
    return 0;
}

#ifndef EK_LIBFUZZER
static uint32_t random_state;

static uint32_t random_word(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

int main(int argc, char **argv) {
    static uint8_t data[LONGEST_PROGRAM];
    const long programs = argc > 1 ? atol(argv[1]) : 1;
    random_state = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
    for (long i = 0; i < programs; i++) {
        const size_t size_bytes = random_word() % sizeof data;
        for (size_t k = 0; k < size_bytes; k++) {
            data[k] = (uint8_t)(random_word() >> 11);
        }
        LLVMFuzzerTestOneInput(data, size_bytes);
    }
    for (unsigned i = 0; i < 256; i++) {
        if (replies_seen[i] != 0) {
            printf("reply %u %lu\n", i, replies_seen[i]);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        if (errors_seen[i] != 0) {
            printf("error %u %lu\n", i, errors_seen[i]);
        }
    }
    printf("reset %d\n", reset_seen);
    return 0;
}
#endif
