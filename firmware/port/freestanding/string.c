/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilers turn plain copy and fill loops into calls of memcpy and memset, which here would be calls
 * of themselves. OPAQUE hides each loop's purpose from them at no cost.
 */
#include <string.h>

#include <stdint.h>

#define OPAQUE() __asm__ volatile("" ::: "memory")

typedef uint32_t __attribute__((may_alias)) word;

static int word_aligned(const void *first, const void *second) {
    return (((uintptr_t)first | (uintptr_t)second) & 3u) == 0;
}

void *memcpy(void *to, const void *from, size_t size_bytes) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if (word_aligned(target, source)) {
        for (; size_bytes >= 16; size_bytes -= 16, target += 16, source += 16) {
            const word *four = (const word *)(const void *)source;
            word *out = (word *)(void *)target;
            const word a = four[0], b = four[1], c = four[2], d = four[3];
            out[0] = a;
            out[1] = b;
            out[2] = c;
            out[3] = d;
            OPAQUE();
        }
    }
    for (; size_bytes != 0; --size_bytes) {
        *target++ = *source++;
        OPAQUE();
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size_bytes) {
    unsigned char *target = to;
    const unsigned char *source = from;
    if ((uintptr_t)target <= (uintptr_t)source || (uintptr_t)target >= (uintptr_t)source + size_bytes) {
        return memcpy(to, from, size_bytes); /* ours copies upwards, which suits target <= source */
    }
    while (size_bytes != 0) {
        --size_bytes;
        target[size_bytes] = source[size_bytes];
        OPAQUE();
    }
    return to;
}

void *memset(void *to, int value, size_t size_bytes) {
    unsigned char *target = to;
    if (word_aligned(target, target)) {
        const uint32_t four = (unsigned char)value * 0x01010101u;
        for (; size_bytes >= 8; size_bytes -= 8, target += 8) {
            word *out = (word *)(void *)target;
            out[0] = four;
            out[1] = four;
            OPAQUE();
        }
    }
    for (; size_bytes != 0; --size_bytes) {
        *target++ = (unsigned char)value;
        OPAQUE();
    }
    return to;
}

#if defined(__ARM_EABI__)
/* Arm's run-time ABI (IHI 0043) has names of its own for what compilers call; zig's own are several times the
 * size. */
void __aeabi_memclr(void *to, size_t size_bytes);
void __aeabi_memclr4(void *to, size_t size_bytes) __attribute__((alias("__aeabi_memclr")));
void __aeabi_memclr8(void *to, size_t size_bytes) __attribute__((alias("__aeabi_memclr")));
void __aeabi_memclr(void *to, size_t size_bytes) {
    (void)memset(to, 0, size_bytes);
}
#endif

int memcmp(const void *left, const void *right, size_t size_bytes) {
    const unsigned char *a = left;
    const unsigned char *b = right;
    for (; size_bytes != 0; --size_bytes, ++a, ++b) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') {
        ++length;
        OPAQUE();
    }
    return length;
}
