// SPDX-License-Identifier: Apache-2.0
//
// The functions of an Arduino core that the port uses, on a POSIX system: Serial is standard input and
// output. A byte is there only every second time that it is asked for.
#include <unistd.h>

#include "Arduino.h"

StandInSerial Serial;

static bool begun;

void StandInSerial::begin(unsigned long baud) {
    begun = baud == 115200;
}

int StandInSerial::read() {
    static unsigned calls;
    if (!begun) {
        _exit(3);
    }
    if (++calls % 2 != 0) {
        return -1;
    }
    uint8_t byte;
    if (::read(STDIN_FILENO, &byte, 1) <= 0) {
        _exit(0); // the host has gone
    }
    return byte;
}

size_t StandInSerial::write(const uint8_t *buffer, size_t size) {
    return ::write(STDOUT_FILENO, buffer, size) == static_cast<ssize_t>(size) ? size : 0;
}

void StandInSerial::flush() {}

// Wraps between the two times that an invocation is measured at.
unsigned long micros() {
    static uint32_t now = 0xFFFFFE00u;
    return now += 100;
}

void delay(unsigned long) {}

void yield() {}

int main() {
    setup();
    for (;;) {
        loop();
    }
}
