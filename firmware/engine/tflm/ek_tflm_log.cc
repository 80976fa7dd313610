/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where TFLite Micro's messages go on a board without an operating system: to the link, as device log.
 * They say what ek_status cannot, such as how many bytes an arena lacks. An SDK brings its own.
 *
 * It knows the conversions that those messages use: %d %i %u %x %s %c %%, with l, z or h. Others appear
 * as they are written.
 */
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "edgekit/ek_port.h"
#include "tensorflow/lite/micro/debug_log.h"

namespace {

/* Between zero bytes nothing can be taken for part of a frame (docs/protocol.md). */
constexpr uint8_t kDelimiter = 0;

void put(char character) {
    const uint8_t byte = static_cast<uint8_t>(character);
    if (byte != kDelimiter) {
        ek_port_write(&byte, 1);
    }
}

void put_text(const char *text) {
    while (text != nullptr && *text != '\0') {
        put(*text++);
    }
}

void put_number(unsigned long value, unsigned base) {
    char digits[11]; /* 2^32 has ten decimal digits */
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 && count < sizeof digits);
    while (count != 0) {
        put(digits[--count]);
    }
}

void put_signed(long value) {
    if (value < 0) {
        put('-');
    }
    put_number(value < 0 ? 0ul - static_cast<unsigned long>(value) : static_cast<unsigned long>(value), 10);
}

} /* namespace */

/* int, long, size_t and pointers all have 32 bits on the cores that this is for. */
extern "C" __attribute__((weak)) void DebugLog(const char *format, va_list arguments) {
    static_assert(sizeof(long) == sizeof(int), "a message's arguments are read as int");
    ek_port_write(&kDelimiter, 1);
    for (const char *next = format; *next != '\0'; ++next) {
        if (*next != '%') {
            put(*next);
            continue;
        }
        do {
            ++next;
        } while (*next == 'l' || *next == 'z' || *next == 'h');
        switch (*next) {
        case 'd':
        case 'i':
            put_signed(va_arg(arguments, int));
            break;
        case 'u':
            put_number(va_arg(arguments, unsigned), 10);
            break;
        case 'x':
            put_number(va_arg(arguments, unsigned), 16);
            break;
        case 'c':
            put(static_cast<char>(va_arg(arguments, int)));
            break;
        case 's':
            put_text(va_arg(arguments, const char *));
            break;
        case '\0':
            --next;
            break;
        default:
            put(*next);
            break;
        }
    }
    ek_port_write(&kDelimiter, 1);
}
