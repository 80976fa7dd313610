/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekit/ek_top_k.h"

size_t ek_top_k(const int8_t *scores, size_t count, uint16_t *top, size_t wanted) {
    size_t kept = 0;
    for (size_t index = 0; index < count; ++index) {
        size_t place = kept;
        while (place > 0 && scores[top[place - 1]] < scores[index]) {
            --place;
        }
        if (place == wanted) {
            continue;
        }
        kept += kept < wanted;
        for (size_t last = kept - 1; last > place; --last) {
            top[last] = top[last - 1];
        }
        top[place] = (uint16_t)index;
    }
    return kept;
}
