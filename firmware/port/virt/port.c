/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekit/ek_port.h"

#include "ek_startup.h"
#include "ek_virt.h"

#define REGISTER(offset) (*(volatile uint32_t *)(EK_VIRT_BASE + (offset)))

static uint8_t received[256];
static uint32_t received_count, received_next;
static uint8_t unsent[256];
static uint32_t unsent_count;

void ek_port_init(void) {
    received_count = received_next = unsent_count = 0;
}

int ek_port_read_byte(void) {
    while (received_next == received_count) {
        REGISTER(EK_VIRT_RX_ADDRESS) = (uint32_t)(uintptr_t)received;
        REGISTER(EK_VIRT_RX_CAPACITY) = sizeof received;
        received_next = 0;
        received_count = REGISTER(EK_VIRT_RX_COUNT);
        __asm__ volatile("" ::: "memory"); /* the device wrote to the buffer */
    }
    return received[received_next++];
}

void ek_port_flush(void) {
    if (unsent_count != 0) {
        __asm__ volatile("" ::: "memory"); /* the device reads the buffer */
        REGISTER(EK_VIRT_TX_ADDRESS) = (uint32_t)(uintptr_t)unsent;
        REGISTER(EK_VIRT_TX_SIZE) = unsent_count;
        unsent_count = 0;
        while (REGISTER(EK_VIRT_TX_BUSY) != 0) {
        }
    }
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        if (unsent_count == sizeof unsent) {
            ek_port_flush();
        }
        unsent[unsent_count++] = data[i];
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return REGISTER(EK_VIRT_COUNTS) != 0 ? EK_TICKS_INSTRUCTIONS : EK_TICKS_NONE;
}

uint64_t ek_port_ticks(void) {
    const uint32_t low = REGISTER(EK_VIRT_COUNT_LOW);
    return ((uint64_t)REGISTER(EK_VIRT_COUNT_HIGH) << 32) | low;
}

uint32_t ek_port_clock_hz(void) {
    return 0; /* instructions have no duration here */
}

void ek_port_reset(void) {
    REGISTER(EK_VIRT_RESET) = 1;
    for (;;) {
    }
}

_Noreturn void ek_startup_stop(void) {
    ek_port_flush();
    REGISTER(EK_VIRT_STOP) = 1;
    for (;;) {
    }
}
