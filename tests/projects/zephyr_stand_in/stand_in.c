/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of Zephyr that the port uses, on a POSIX system: the console's UART is standard input and
 * output. A byte arrives, with its interrupt, when the program waits for one. "cycles" counts calls.
 */
#include <errno.h>
#include <unistd.h>

#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/reboot.h>
#include <zephyr/sys/ring_buffer.h>
#include <soc.h>

#include "ek_dwt.h"

#define UNUSED_STACK_BYTES 3000

const struct device stand_in_zephyr_console = {"console"};
uint32_t SystemCoreClock;

static struct k_thread main_thread;
static uart_irq_callback_user_data_t callback;
static void *callback_data;
static int enabled, updated, counting;
static uint8_t arrived[700];
static int arrived_count, taken;

static void refuse(int what) {
    _exit(what);
}

bool device_is_ready(const struct device *dev) {
    return dev == &stand_in_zephyr_console;
}

int uart_irq_callback_user_data_set(const struct device *dev, uart_irq_callback_user_data_t cb,
                                    void *user_data) {
    callback = cb;
    callback_data = user_data;
    return dev == &stand_in_zephyr_console ? 0 : -ENODEV;
}

void uart_irq_rx_enable(const struct device *dev) {
    enabled = callback != NULL && dev == &stand_in_zephyr_console;
}

int uart_irq_update(const struct device *dev) {
    (void)dev;
    return updated = 1;
}

int uart_irq_rx_ready(const struct device *dev) {
    (void)dev;
    return updated && taken < arrived_count;
}

int uart_fifo_read(const struct device *dev, uint8_t *rx_data, const int size) {
    (void)dev;
    int count = 0;
    while (count < size && taken < arrived_count) {
        rx_data[count++] = arrived[taken++];
    }
    return count;
}

void uart_poll_out(const struct device *dev, unsigned char out_char) {
    if (dev != &stand_in_zephyr_console || write(STDOUT_FILENO, &out_char, 1) != 1) {
        refuse(3);
    }
}

uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size) {
    uint32_t count = 0;
    while (count < size && buf->put - buf->got < buf->size) {
        buf->buffer[buf->put++ % buf->size] = data[count++];
    }
    if (count < size) {
        refuse(4); /* lost on a board */
    }
    return count;
}

uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size) {
    uint32_t count = 0;
    while (count < size && buf->got < buf->put) {
        data[count++] = buf->buffer[buf->got++ % buf->size];
    }
    return count;
}

int k_sem_take(struct k_sem *sem, k_timeout_t timeout) {
    (void)timeout;
    while (sem->count == 0) {
        if (!enabled) {
            refuse(5); /* it would wait forever */
        }
        updated = taken = 0;
        arrived_count = (int)read(STDIN_FILENO, arrived, sizeof arrived);
        if (arrived_count <= 0) {
            refuse(0); /* the host has gone */
        }
        callback(&stand_in_zephyr_console, callback_data);
    }
    --sem->count;
    return 0;
}

void k_sem_give(struct k_sem *sem) {
    sem->count += sem->count < sem->limit;
}

int32_t k_msleep(int32_t ms) {
    return ms > 0 ? 0 : ms;
}

k_tid_t k_current_get(void) {
    return &main_thread;
}

int k_thread_stack_space_get(const struct k_thread *thread, size_t *unused_ptr) {
    *unused_ptr = UNUSED_STACK_BYTES;
    return thread == &main_thread ? 0 : -EINVAL;
}

unsigned sys_clock_hw_cycles_per_sec(void) {
    return 80000000u;
}

void SystemCoreClockUpdate(void) {
    SystemCoreClock = 64000000u;
}

_Noreturn void sys_reboot(int type) {
    _exit(type == SYS_REBOOT_COLD ? 42 : 6);
}

/* ---- the cycle counter ---- */

int ek_dwt_start(void) {
    return counting = 1;
}

uint64_t ek_dwt_cycles(void) {
    static uint64_t calls;
    return counting ? ++calls * 1000 : 0;
}
