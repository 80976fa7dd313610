/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes filled sixteen at a time, in a tail-predicated loop: no byte behind the last is touched. */
#ifndef EDGEKIT_MVE_FILL_H
#define EDGEKIT_MVE_FILL_H

#include <stdint.h>

/* Writes `value` to `count` bytes, at least one. */
static inline void ek_mve_fill(int8_t *to, int8_t value, int32_t count) {
    __asm__ volatile("vdup.8 q0, %[value]\n"
                     "dlstp.8 lr, %[count]\n"
                     "1:\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     : [to] "+r"(to)
                     : [value] "r"(value), [count] "r"(count)
                     : "lr", "q0", "memory");
}

#endif /* EDGEKIT_MVE_FILL_H */
