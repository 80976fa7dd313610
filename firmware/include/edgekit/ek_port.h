/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a board gives to the link: bytes in, bytes out, a counter, and a way to start over. Each port
 * in firmware/port/ implements exactly these functions; adding a board of another kind is adding a port.
 */
#ifndef EDGEKIT_EK_PORT_H
#define EDGEKIT_EK_PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Brings up the clock, the serial port and the counter. Called once, before anything else here. */
void ek_port_init(void);

/*
 * Waits for and returns the next received byte (0 to 255), or a negative number when the other side
 * has closed the connection for good (only ports that can tell, such as POSIX; others wait forever).
 */
int ek_port_read_byte(void);

/* Sends `size_bytes` bytes unchanged: no newline translation, no buffering past ek_port_flush. */
void ek_port_write(const uint8_t *data, size_t size_bytes);

/* Returns when every byte written has been handed to the hardware or the operating system. */
void ek_port_flush(void);

/* What ek_port_ticks counts. Sent over the link so that the host labels the figure truthfully. */
typedef enum ek_tick_unit {
    EK_TICKS_NONE = 0,         /* no counter: ticks are always 0 */
    EK_TICKS_CYCLES = 1,       /* processor cycles */
    EK_TICKS_INSTRUCTIONS = 2, /* executed instructions */
    EK_TICKS_NANOSECONDS = 3   /* wall time */
} ek_tick_unit;

ek_tick_unit ek_port_tick_unit(void);

/* A free-running counter; differences are meaningful, the start is not. Monotonic over 64 bits. */
uint64_t ek_port_ticks(void);

/* Core clock in Hz, or 0 where it is unknown or meaningless. */
uint32_t ek_port_clock_hz(void);

/* The most stack used since start-up, in bytes, or 0 where the port cannot tell. */
uint32_t ek_port_stack_used_bytes(void);

/* The board's name as in boards/<name>.toml. Static, NUL-terminated. */
const char *ek_port_board_name(void);

/* Restarts the program as after power-on. A port that cannot do so returns. */
void ek_port_reset(void);

/*
 * Optional. Called by an engine after each operator or row of an inference, in the task that runs it, so
 * that a port can feed a watchdog or let other tasks run. Its time counts as the operator's: be brief.
 * The engine has a weak definition that does nothing; a port that needs the call defines its own.
 */
void ek_port_relax(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_PORT_H */
