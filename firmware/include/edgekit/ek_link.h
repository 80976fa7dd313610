/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: answers the host's requests about the model, over whatever carries the bytes of ek_port.h.
 * docs/protocol.md specifies every byte; this header gives its numbers and the three calls of a program.
 *
 * A test harness is
 *
 *     static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
 *     static ek_link serial_link;
 *     ek_port_init();
 *     ek_link_run(&serial_link, ek_model_init(arena, sizeof arena));
 *
 * and firmware/link/main.c is exactly that. A program with a loop of its own (Arduino, an RTOS) calls
 * ek_link_init once and ek_link_receive with each byte that arrives.
 *
 * No heap, no floating-point arithmetic, no 64-bit division, no C library. Everything that a frame
 * claims is checked before it is used. Not reentrant; one link a program, because there is one model.
 */
#ifndef EDGEKIT_EK_LINK_H
#define EDGEKIT_EK_LINK_H

#include "edgekit/ek_frame.h"
#include "edgekit/ek_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the protocol. A host refuses a device of another version. */
#define EK_LINK_PROTOCOL_VERSION 2

/* Version of edgekit that this firmware is part of; told to the host. */
#ifndef EK_LINK_FIRMWARE_VERSION
#define EK_LINK_FIRMWARE_VERSION "0.1.0"
#endif

/*
 * Longest body, in bytes, of a request or a reply. The device announces it and has room for a packet of
 * this size and a short one. Small boards set 64; every request of the protocol fits that.
 */
#ifndef EK_LINK_MAX_BODY_BYTES
#define EK_LINK_MAX_BODY_BYTES 512
#endif

#if EK_LINK_MAX_BODY_BYTES < 64 || EK_LINK_MAX_BODY_BYTES > 32768
#error "EK_LINK_MAX_BODY_BYTES must lie between 64 and 32768"
#endif

#define EK_LINK_PACKET_BYTES       (EK_FRAME_OVERHEAD_BYTES + EK_LINK_MAX_BODY_BYTES)
#define EK_LINK_SHORT_PACKET_BYTES 64 /* suffices for an error reply, and for requests without data */

/* Request types. The reply to one has type | EK_LINK_REPLY, or is an EK_LINK_ERROR_REPLY. */
#define EK_LINK_HELLO            0x01 /* start a session */
#define EK_LINK_INFO             0x02 /* a piece of the description of board and model */
#define EK_LINK_STATUS           0x03 /* arena and stack use */
#define EK_LINK_ECHO             0x04 /* the body comes back */
#define EK_LINK_RESET            0x05 /* restart the program */
#define EK_LINK_WRITE_INPUT      0x10 /* a piece of an input tensor, in order */
#define EK_LINK_GENERATE_INPUT   0x11 /* fill all inputs from a seed */
#define EK_LINK_INVOKE           0x12 /* run the model */
#define EK_LINK_READ_OUTPUT      0x13 /* a piece of an output tensor */
#define EK_LINK_INVOKE_GENERATED 0x14 /* fill from a seed, run, digest the outputs */
#define EK_LINK_PROFILE          0x20 /* run, digest and time each operator of a window */
#define EK_LINK_RUN_TO_OP        0x21 /* run up to an operator and hold its output */
#define EK_LINK_READ_HELD        0x22 /* a piece of the held rows */
#define EK_LINK_REPLY            0x80
#define EK_LINK_ERROR_REPLY      0xff

/* Error codes of EK_LINK_ERROR_REPLY; one sentence each goes with them. */
#define EK_LINK_ERR_REQUEST    1     /* unknown request type, or flags that are not 0 */
#define EK_LINK_ERR_LENGTH     2     /* the body has the wrong length for this request */
#define EK_LINK_ERR_RANGE      3     /* an index, offset, length or count is out of range */
#define EK_LINK_ERR_NO_INPUT   4     /* the inputs were not completely written since the last run */
#define EK_LINK_ERR_NO_OUTPUT  5     /* there is no output of a single run on a written input */
#define EK_LINK_ERR_NO_HELD    6     /* no rows are held */
#define EK_LINK_ERR_NO_SESSION 7     /* the device has (re)started: send HELLO first */
#define EK_LINK_ERR_SEQUENCE   8     /* the number is neither the last one nor the next one */
#define EK_LINK_ERR_STREAMED   9     /* rows of a streamed input were used up as they were written */
#define EK_LINK_ERR_MODEL      0x100 /* | -ek_status: the engine failed with that status */

/* The state of the link. Caller-owned, static or otherwise lasting; the fields are the link's own. */
typedef struct ek_link {
    ek_frame_decoder decoder;
    ek_op_rows held;           /* what RUN_TO_OP left in the arena; data is NULL: nothing */
    uint32_t wanted_offset;    /* byte of the operator's output that RUN_TO_OP stops at */
    uint64_t rows_ticks;       /* of the rows of a streamed input that were written and handed over */
    uint32_t next_offset;      /* where WRITE_INPUT must go on in input next_input */
    uint32_t row_fill_bytes;   /* of them in the row of a streamed input that is not complete yet */
    uint32_t seed;             /* of the inputs, where is_generated */
    uint32_t request_crc;      /* CRC-32 of the last request that was run */
    uint32_t arena_used_bytes; /* counted once, since asking the engine would end what is held */
    ek_status model_status;    /* what ek_model_init returned */
    uint16_t number;           /* number of the last request that was run */
    uint16_t reply_at;         /* where in `packets` its reply is kept; 0: it is not, and can be made again */
    uint16_t reply_bytes;      /* size of that reply; 0: no session yet */
    uint16_t session_count;    /* sessions since start-up */
    uint16_t held_op;          /* operator that RUN_TO_OP stops at */
    uint8_t next_input;        /* input that WRITE_INPUT must go on with; input_count: all written */
    uint8_t is_generated;      /* the inputs are those of GENERATE_INPUT */
    uint8_t outputs_valid;     /* the outputs are those of one run on a written input */
    uint8_t reset_due;         /* restart once the reply is out */
    uint8_t packets[EK_LINK_PACKET_BYTES + EK_LINK_SHORT_PACKET_BYTES]; /* the request, the reply behind it */
} ek_link;

/*
 * Prepares the link; no byte is sent.
 *   link          its state, owned by the caller;
 *   model_status  what ek_model_init returned. Anything but EK_OK is told to the host, and requests
 *                 that need the model are answered with an error.
 */
void ek_link_init(ek_link *link, ek_status model_status);

/*
 * Takes one received byte. When it completes a request, runs it (an inference included) and sends the
 * reply through ek_port_write before returning; else returns at once.
 */
void ek_link_receive(ek_link *link, uint8_t byte);

/* ek_link_init, then every byte of ek_port_read_byte until that returns a negative number. */
void ek_link_run(ek_link *link, ek_status model_status);

/*
 * The input generator of GENERATE_INPUT and INVOKE_GENERATED: writes `size_bytes` bytes of the stream
 * that belongs to `seed`, from its byte `position` on. All inputs of a model, one after the other, are
 * one stream from position 0. docs/protocol.md has the formula, edgekit/device/generator.py the same in
 * Python.
 */
void ek_link_generate(uint32_t seed, uint32_t position, int8_t *bytes, uint32_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_LINK_H */
