/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zephyr 4.x on Cortex-M. The link is the UART that the board's devicetree calls its console; prj.conf
 * keeps console, shell and log away from it. Received bytes go from the interrupt through a ring buffer.
 *
 * The counter is the processor's cycle counter: the kernel's own may be that of a 32 kHz timer.
 */
#include "edgekit/ek_port.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/reboot.h>
#include <zephyr/sys/ring_buffer.h>

#if !defined(CONFIG_CORTEX_M_SYSTICK)
#include <soc.h>
#endif

#include "ek_board.h"
#include "ek_dwt.h"

/* A whole frame with a body of 512 bytes fits, so that none is lost while the program is busy. */
#define RING_BYTES 1024
#define FIFO_BYTES 16
/* The last byte leaves the UART: 1 ms holds 11 of them at 115,200 baud. */
#define DRAIN_MS 2

static const struct device *const uart = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

RING_BUF_DECLARE(received, RING_BYTES);
K_SEM_DEFINE(received_some, 0, 1);

static void on_uart(const struct device *device, void *user_data) {
    ARG_UNUSED(user_data);
    while (uart_irq_update(device) > 0 && uart_irq_rx_ready(device) > 0) {
        uint8_t bytes[FIFO_BYTES];
        const int count = uart_fifo_read(device, bytes, sizeof bytes);
        if (count <= 0) {
            break;
        }
        (void)ring_buf_put(&received, bytes, (uint32_t)count);
        k_sem_give(&received_some);
    }
}

void ek_port_init(void) {
    (void)ek_dwt_start();
    if (device_is_ready(uart) && uart_irq_callback_user_data_set(uart, on_uart, NULL) == 0) {
        uart_irq_rx_enable(uart);
    }
}

int ek_port_read_byte(void) {
    uint8_t byte;
    while (ring_buf_get(&received, &byte, 1) == 0) {
        (void)k_sem_take(&received_some, K_FOREVER);
    }
    return byte;
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; ++i) {
        uart_poll_out(uart, data[i]);
    }
}

void ek_port_flush(void) {
    /* uart_poll_out returns when the UART has taken the byte. */
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

uint64_t ek_port_ticks(void) {
    return ek_dwt_cycles();
}

uint32_t ek_port_clock_hz(void) {
#if defined(CONFIG_CORTEX_M_SYSTICK)
    return sys_clock_hw_cycles_per_sec(); /* SysTick runs at the processor's clock */
#else
    SystemCoreClockUpdate();
    return SystemCoreClock;
#endif
}

uint32_t ek_port_stack_used_bytes(void) {
    size_t unused_bytes;
    if (k_thread_stack_space_get(k_current_get(), &unused_bytes) != 0) {
        return 0;
    }
    return CONFIG_MAIN_STACK_SIZE - (uint32_t)unused_bytes;
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    k_msleep(DRAIN_MS);
    sys_reboot(SYS_REBOOT_COLD);
}
