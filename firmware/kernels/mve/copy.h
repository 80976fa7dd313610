/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes copied and filled sixteen at a time, in tail-predicated loops: no byte behind the last is touched. */
#ifndef EDGEKIT_MVE_COPY_H
#define EDGEKIT_MVE_COPY_H

#include <stdint.h>

/* Copies `count` bytes, at least one. Returns the end of what it wrote. */
static inline int8_t *ek_mve_copy(int8_t *to, const int8_t *from, int32_t count) {
    int8_t *end = to + count;
    __asm__ volatile("dlstp.8 lr, %[count]\n"
                     "1:\n"
                     "vldrb.u8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [count] "r"(count)
                     : "lr", "q0", "memory");
    return end;
}

/* Writes `value` to `count` bytes, at least one. Returns the end of what it wrote. */
static inline int8_t *ek_mve_fill(int8_t *to, int8_t value, int32_t count) {
    int8_t *end = to + count;
    __asm__ volatile("vdup.8 q0, %[value]\n"
                     "dlstp.8 lr, %[count]\n"
                     "1:\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     : [to] "+r"(to)
                     : [value] "r"(value), [count] "r"(count)
                     : "lr", "q0", "memory");
    return end;
}

/* Four windows that lie inside the input, `step` bytes apart. copy_windows.S depends on this layout. */
typedef struct ek_mve_windows {
    int8_t *patches; /* [out] four, height * run bytes each */
    const int8_t *const *rows;
    uint32_t run; /* bytes of a window in a row */
    uint32_t height;
    uint32_t first; /* where the first window starts in each row */
    uint32_t step;
} ek_mve_windows;

void ek_mve_copy_windows(const ek_mve_windows *windows);

#endif /* EDGEKIT_MVE_COPY_H */
