/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* B115200 and above, cfmakeraw: not in POSIX, but in every system's termios.h */
#define _DARWIN_C_SOURCE

#include "ek_posix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "edgekit/ek_port.h"

#include "ek_board.h"

#define BUFFER_BYTES 4096

static const ek_posix_options *options;
static int input = STDIN_FILENO, output = STDOUT_FILENO;
static int listener = -1;
static uint8_t received[BUFFER_BYTES], unsent[BUFFER_BYTES];
static size_t received_count, received_next, unsent_count;

static int failed(const char *what) {
    fprintf(stderr, "edgekit: %s: %s\n", what, strerror(errno));
    return -1;
}

/* The system's constant for a baud rate, or B0 where it has none. */
static speed_t speed_of(uint32_t baud) {
    static const struct {
        uint32_t baud;
        speed_t speed;
    } speeds[] = {
        {9600, B9600},       {19200, B19200},   {38400, B38400},
        {57600, B57600},     {115200, B115200}, {230400, B230400},
#ifdef B460800
        {460800, B460800},
#endif
#ifdef B921600
        {921600, B921600},
#endif
#ifdef B1000000
        {1000000, B1000000},
#endif
#ifdef B2000000
        {2000000, B2000000},
#endif
    };
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; ++i) {
        if (speeds[i].baud == baud) {
            return speeds[i].speed;
        }
    }
    return B0;
}

/* Eight data bits, no parity, no flow control, nothing translated. */
static int make_raw(int descriptor, uint32_t baud) {
    struct termios settings;
    const speed_t speed = speed_of(baud);
    if (speed == B0) {
        errno = EINVAL;
        return failed("this baud rate is not supported");
    }
    if (tcgetattr(descriptor, &settings) != 0) {
        return failed("this is not a serial line");
    }
    cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (cfsetispeed(&settings, speed) != 0 || cfsetospeed(&settings, speed) != 0 ||
        tcsetattr(descriptor, TCSANOW, &settings) != 0) {
        return failed("the serial line refuses these settings");
    }
    return 0;
}

static int open_serial(void) {
    const int line = open(options->serial, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (line < 0) {
        return failed(options->serial);
    }
    input = output = line;
    return make_raw(line, options->baud);
}

static int open_listener(void) {
    struct sockaddr_in endpoint;
    socklen_t size_bytes = sizeof endpoint;
    const int on = 1;
    memset(&endpoint, 0, sizeof endpoint);
    endpoint.sin_family = AF_INET;
    endpoint.sin_port = htons(options->port);
    if (inet_pton(AF_INET, options->address, &endpoint.sin_addr) != 1) {
        fprintf(stderr, "edgekit: %s is not an IPv4 address\n", options->address);
        return -1;
    }
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (const struct sockaddr *)&endpoint, sizeof endpoint) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&endpoint, &size_bytes) != 0) {
        return failed("cannot listen");
    }
    fprintf(stderr, "edgekit: listening on %s:%u\n", options->address, (unsigned)ntohs(endpoint.sin_port));
    return 0;
}

/* Waits for the next client. Returns 0, or -1 where there will be none. */
static int accept_client(void) {
    const int on = 1;
    if (input >= 0) {
        (void)close(input);
    }
    do {
        input = output = accept(listener, NULL, NULL);
    } while (input < 0 && (errno == EINTR || errno == ECONNABORTED));
    unsent_count = 0;
    if (input < 0) {
        return failed("cannot accept");
    }
    (void)setsockopt(input, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

int ek_posix_open(const ek_posix_options *chosen) {
    options = chosen;
    (void)signal(SIGPIPE, SIG_IGN); /* a client that has gone is seen by write and read */
    if (options->serial != NULL) {
        return open_serial();
    }
    if (options->address != NULL) {
        input = output = options->client;
        listener = options->listener;
        return listener < 0 ? open_listener() : 0;
    }
    /* On a terminal, line editing would eat the frames' bytes. */
    return isatty(input) ? make_raw(input, 115200) : 0;
}

void ek_port_init(void) {
    received_count = received_next = unsent_count = 0;
}

/* Fills `received`. Returns 0, or -1 where nothing will come any more. */
static int receive(void) {
    for (;;) {
        const ssize_t count = input >= 0 ? read(input, received, sizeof received) : 0;
        if (count > 0) {
            received_count = (size_t)count;
            received_next = 0;
            return 0;
        }
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (listener < 0 || accept_client() != 0) {
            return -1;
        }
    }
}

int ek_port_read_byte(void) {
    if (received_next == received_count && receive() != 0) {
        return -1;
    }
    return received[received_next++];
}

void ek_port_flush(void) {
    for (size_t sent = 0; sent < unsent_count;) {
        const ssize_t count = output >= 0 ? write(output, unsent + sent, unsent_count - sent) : -1;
        if (count < 0 && (output < 0 || errno != EINTR)) {
            break; /* the other side has gone, which the next read notices */
        }
        sent += count > 0 ? (size_t)count : 0;
    }
    unsent_count = 0;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    while (size_bytes > 0) {
        const size_t room = sizeof unsent - unsent_count;
        const size_t part = size_bytes < room ? size_bytes : room;
        memcpy(unsent + unsent_count, data, part);
        unsent_count += part;
        data += part;
        size_bytes -= part;
        if (unsent_count == sizeof unsent) {
            ek_port_flush();
        }
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_NANOSECONDS;
}

uint64_t ek_port_ticks(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t ek_port_clock_hz(void) {
    return 0; /* it changes with load and temperature */
}

uint32_t ek_port_stack_used_bytes(void) {
    return 0; /* the system's start-up code has used the stack before us */
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

/*
 * Starts the program again in the same process. Listening socket and client stay open: the client
 * notices the restart by the link's session, not by a lost connection.
 */
void ek_port_reset(void) {
    char sockets[2][16];
    char *arguments[16];
    size_t count = 0;
    for (char **argument = options->argv; *argument != NULL && count < 8; ++argument) {
        if (strcmp(*argument, "--listener") == 0 || strcmp(*argument, "--client") == 0) {
            ++argument; /* those of an earlier reset */
        } else {
            arguments[count++] = *argument;
        }
    }
    if (listener >= 0) {
        (void)snprintf(sockets[0], sizeof sockets[0], "%d", listener);
        (void)snprintf(sockets[1], sizeof sockets[1], "%d", input);
        arguments[count++] = "--listener";
        arguments[count++] = sockets[0];
        arguments[count++] = "--client";
        arguments[count++] = sockets[1];
    }
    arguments[count] = NULL;
    (void)execvp(arguments[0], arguments);
}
