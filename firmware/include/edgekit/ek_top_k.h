/* SPDX-License-Identifier: Apache-2.0 */
/* The best classes of a model's output. */
#ifndef EDGEKIT_EK_TOP_K_H
#define EDGEKIT_EK_TOP_K_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes the indices of the largest scores to `top`, the largest first; of equal ones the lower index.
 *   scores     `count` int8 scores, up to 65535: ek_model_output(0)
 *   top        written: `wanted` indices, or `count` of them where there are not that many
 * Returns how many were written. The time is count × wanted.
 */
size_t ek_top_k(const int8_t *scores, size_t count, uint16_t *top, size_t wanted);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_TOP_K_H */
