/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness of link/main.c, with a command line. */
#include "ek_posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "model.h"

static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
static ek_link serial_link;
static ek_posix_options options = {NULL, 115200, NULL, 0, -1, -1, NULL};
static char address[64];

static const char usage[] =
    "usage: %s [--serial TTY [--baud RATE] | --listen [ADDRESS:]PORT]\n"
    "Serves the edgekit link: on standard input and output, on a serial line, or to one TCP client at\n"
    "a time. Without ADDRESS only programs on this computer can connect (127.0.0.1). Whoever connects\n"
    "can run the model and restart this program; the link has no passwords.\n";

/* Reads a number from 0 to `largest`. Returns 0, or -1 where `text` is not one. */
static int parse_number(const char *text, unsigned long largest, unsigned long *number) {
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' || *text == '-' || *number > largest ? -1 : 0;
}

static int parse_listen(const char *text) {
    const char *colon = strrchr(text, ':');
    const char *host = colon != NULL ? text : "127.0.0.1";
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(host);
    unsigned long port;
    if (length >= sizeof address || parse_number(colon != NULL ? colon + 1 : text, 65535, &port) != 0) {
        return -1;
    }
    memcpy(address, host, length);
    address[length] = '\0';
    options.address = address;
    options.port = (uint16_t)port;
    return 0;
}

/* Takes one option with its value. Returns 0, or -1 where it makes no sense. */
static int parse_option(const char *name, const char *value) {
    unsigned long number;
    if (strcmp(name, "--serial") == 0) {
        options.serial = value;
    } else if (strcmp(name, "--baud") == 0) {
        if (parse_number(value, UINT32_MAX, &number) != 0) {
            return -1;
        }
        options.baud = (uint32_t)number;
    } else if (strcmp(name, "--listener") == 0 || strcmp(name, "--client") == 0) {
        /* set by ek_port_reset, not by people */
        if (parse_number(value, 1024, &number) != 0) {
            return -1;
        }
        *(name[2] == 'l' ? &options.listener : &options.client) = (int)number;
    } else if (strcmp(name, "--listen") != 0 || parse_listen(value) != 0) {
        return -1;
    }
    return options.serial != NULL && options.address != NULL ? -1 : 0;
}

int main(int argc, char **argv) {
    options.argv = argv;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf(usage, argv[0]);
        return 0;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || parse_option(argv[i], argv[i + 1]) != 0) {
            fprintf(stderr, usage, argv[0]);
            return 2;
        }
    }
    if (ek_posix_open(&options) != 0) {
        return 1;
    }
    ek_port_init();
    ek_link_run(&serial_link, ek_model_init(arena, sizeof arena));
    return 0;
}
