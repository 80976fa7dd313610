/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of ESP-IDF that the port uses, on a POSIX system: the console's port is standard input and
 * output, time is simulated. The only task that runs is the link's, as a plain call.
 *
 * Without arguments the firmware serves its link. With "ticks" it prints what the port's counter says in
 * the cases that are hard to come by on a board: the wrap of the cycle counter, and pauses.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/uart.h"
#include "driver/uart_vfs.h"
#include "driver/usb_serial_jtag.h"
#include "driver/usb_serial_jtag_vfs.h"
#include "edgekit/ek_port.h"
#include "ek_esp_idf.h"
#include "esp_cpu.h"
#include "esp_system.h"
#include "esp_timer.h"

/* The cycle counter does not start with the timer. */
#define FIRST_CYCLES 0xfffff000u

static int64_t now_us = 1234567;
static eTaskState link_state = eReady;
static int suspensions, resumptions, installed, through_driver, line_feeds_kept;

void app_main(void);

/* ---- the console's port ---- */

static int receive(void *bytes, uint32_t length) {
    const ssize_t count = read(STDIN_FILENO, bytes, length);
    if (count <= 0) {
        _exit(0); /* the host has gone */
    }
    return (int)count;
}

/* The driver must get whole frames: between two pieces it would let a line of the log through. */
static int send_out(const void *bytes, size_t size_bytes) {
    const char *frame = bytes;
    if (!installed || !through_driver || !line_feeds_kept || frame[0] != 0 || frame[size_bytes - 1] != 0 ||
        memchr(frame + 1, 0, size_bytes - 1) != frame + size_bytes - 1) {
        _exit(3);
    }
    return write(STDOUT_FILENO, bytes, size_bytes) == (ssize_t)size_bytes ? (int)size_bytes : -1;
}

esp_err_t uart_driver_install(uart_port_t uart_num, int rx_buffer_size, int tx_buffer_size, int queue_size,
                              QueueHandle_t *uart_queue, int intr_alloc_flags) {
    installed = uart_num == 0 && rx_buffer_size > 128 && tx_buffer_size == 0 && queue_size == 0 &&
                uart_queue == NULL && intr_alloc_flags == 0;
    return installed ? ESP_OK : -1;
}

int uart_read_bytes(uart_port_t uart_num, void *buf, uint32_t length, TickType_t ticks_to_wait) {
    (void)uart_num;
    (void)ticks_to_wait;
    return receive(buf, length);
}

/* Never more than there is: the port reads no further, and a pipe would make it wait. */
esp_err_t uart_get_buffered_data_len(uart_port_t uart_num, size_t *size) {
    (void)uart_num;
    *size = 0;
    return ESP_OK;
}

int uart_write_bytes(uart_port_t uart_num, const void *src, size_t size) {
    (void)uart_num;
    return send_out(src, size);
}

esp_err_t uart_wait_tx_done(uart_port_t uart_num, TickType_t ticks_to_wait) {
    (void)uart_num;
    (void)ticks_to_wait;
    return ESP_OK;
}

void uart_vfs_dev_use_driver(int uart_num) {
    through_driver = uart_num == 0;
}

int uart_vfs_dev_port_set_tx_line_endings(int uart_num, esp_line_endings_t mode) {
    line_feeds_kept = uart_num == 0 && mode == ESP_LINE_ENDINGS_LF;
    return 0;
}

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *usb_serial_jtag_config) {
    installed = usb_serial_jtag_config->tx_buffer_size > 64 && usb_serial_jtag_config->rx_buffer_size > 64;
    return installed ? ESP_OK : -1;
}

int usb_serial_jtag_read_bytes(void *buf, uint32_t length, TickType_t ticks_to_wait) {
    (void)ticks_to_wait;
    return receive(buf, length);
}

int usb_serial_jtag_write_bytes(const void *src, size_t size, TickType_t ticks_to_wait) {
    return ticks_to_wait == portMAX_DELAY ? -1 : send_out(src, size);
}

void usb_serial_jtag_vfs_use_driver(void) {
    through_driver = 1;
}

void usb_serial_jtag_vfs_set_tx_line_endings(esp_line_endings_t mode) {
    line_feeds_kept = mode == ESP_LINE_ENDINGS_LF;
}

/* ---- time, tasks ---- */

int64_t esp_timer_get_time(void) {
    return now_us;
}

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void) {
    return FIRST_CYCLES + (uint32_t)((uint64_t)now_us * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ) + 77u;
}

TaskHandle_t xTaskCreateStaticPinnedToCore(TaskFunction_t pxTaskCode, const char *const pcName,
                                           const uint32_t ulStackDepth, void *const pvParameters,
                                           UBaseType_t uxPriority, StackType_t *const puxStackBuffer,
                                           StaticTask_t *const pxTaskBuffer, const BaseType_t xCoreID) {
    memset(puxStackBuffer, 0, ulStackDepth);
    memset(pxTaskBuffer, 0, sizeof *pxTaskBuffer);
    if (uxPriority == 0 || xCoreID != 0) {
        _exit(4);
    }
    if (strcmp(pcName, "ek_link") == 0) {
        pxTaskCode(pvParameters);
    }
    return xTaskGetCurrentTaskHandle();
}

TaskHandle_t xTaskGetCurrentTaskHandle(void) {
    return (TaskHandle_t)&link_state;
}

eTaskState eTaskGetState(TaskHandle_t xTask) {
    (void)xTask;
    return link_state;
}

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t xTask) {
    (void)xTask;
    return CONFIG_EK_LINK_STACK_BYTES - 1000;
}

void vTaskDelay(const TickType_t xTicksToDelay) {
    now_us += (int64_t)xTicksToDelay * 1000000 / CONFIG_FREERTOS_HZ;
}

void vTaskSuspend(TaskHandle_t xTaskToSuspend) {
    (void)xTaskToSuspend;
    suspensions++;
}

void vTaskResume(TaskHandle_t xTaskToResume) {
    (void)xTaskToResume;
    resumptions++;
}

void esp_restart(void) {
    _exit(42);
}

/* ---- the counter ---- */

static void print_ticks(const char *what, uint64_t since) {
    printf("%s %llu\n", what, (unsigned long long)(ek_port_ticks() - since));
}

static void show_ticks(void) {
    ek_port_init();
    print_ticks("start", 0);
    now_us += 1000;
    print_ticks("after_1_ms", 0);
    now_us += 100 * 1000000LL; /* several periods of 2^32 cycles, without a look at the counter */
    print_ticks("after_100_s_more", 0);
    const uint64_t before = ek_port_ticks();
    ek_esp_idf_rest(xTaskGetCurrentTaskHandle());
    print_ticks("rest", before);
    printf("suspended %d resumed %d\n", suspensions, resumptions);
    link_state = eBlocked;
    const uint64_t blocked = ek_port_ticks();
    ek_esp_idf_rest(xTaskGetCurrentTaskHandle());
    print_ticks("rest_while_waiting", blocked);
    printf("suspended %d resumed %d\n", suspensions, resumptions);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "ticks") == 0) {
        show_ticks();
        return 0;
    }
    app_main();
    return 0;
}
