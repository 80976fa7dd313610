/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The POSIX port: a program that serves the link on its standard input and output, on a serial line,
 * or to one client at a time over TCP. main.c reads the command line and calls ek_posix_open once,
 * before ek_port_init.
 */
#ifndef EDGEKIT_EK_POSIX_H
#define EDGEKIT_EK_POSIX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ek_posix_options {
    const char *serial;  /* path of a serial line, or NULL */
    uint32_t baud;       /* its speed */
    const char *address; /* IPv4 address to listen on, or NULL */
    uint16_t port;       /* TCP port to listen on; 0 takes a free one and names it on standard error */
    int listener;        /* listening socket that ek_port_reset handed over, or -1 */
    int client;          /* connected socket that it handed over, or -1 */
    char **argv;         /* main's argument vector, with which ek_port_reset starts the program again */
} ek_posix_options;

/*
 * Opens what the options say; with neither serial nor address, standard input and output. They must
 * outlive the program. Returns 0, or -1 after a sentence on standard error.
 */
int ek_posix_open(const ek_posix_options *options);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_POSIX_H */
