/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_ZEPHYR_SYS_RING_BUFFER_H
#define STAND_IN_ZEPHYR_SYS_RING_BUFFER_H

#include <stdint.h>

struct ring_buf {
    uint8_t *buffer;
    uint32_t size, put, got;
};

#define RING_BUF_DECLARE(name, size8)                                                                        \
    static uint8_t ring_buffer_data_##name[size8];                                                           \
    struct ring_buf name = {.buffer = ring_buffer_data_##name, .size = size8}

uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size);
uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size);

#endif
