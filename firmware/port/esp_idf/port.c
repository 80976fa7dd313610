/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Espressif's chips under ESP-IDF, from version 5.3 on.
 *
 * The link has the console's port, which sdkconfig chooses: the chip's own USB Serial/JTAG controller, or
 * a UART at the console's speed. Bytes go through the port's driver unchanged. Standard output is made to
 * go through the same driver, a frame is handed to it in one piece, and the driver finishes one piece
 * before it begins the next: what the program logs stands between frames, as text, and never in one.
 *
 * The counter is the processor's cycle counter, without the cycles of the pauses that ek_esp_idf_rest
 * makes. The functions are those of the ESP-IDF Programming Guide, API Reference, "UART", "USB Serial/JTAG
 * Controller Console", "High Resolution Timer" and "FreeRTOS (IDF)".
 */
#include "ek_esp_idf.h"

#include <string.h>

#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "ek_board.h"
#include "esp_cpu.h"
#include "esp_err.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"

#if CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG
#include "driver/usb_serial_jtag.h"
#include "driver/usb_serial_jtag_vfs.h"
#elif CONFIG_ESP_CONSOLE_UART
#include "driver/uart.h"
#include "driver/uart_vfs.h"
#else
#error "the link needs a console: choose a UART or USB Serial/JTAG (menuconfig, ESP System Settings)"
#endif

/* A whole frame: the packet, what COBS adds, and both delimiters. */
#define FRAME_BYTES   (EK_FRAME_OVERHEAD_BYTES + EK_LINK_MAX_BODY_BYTES + EK_LINK_MAX_BODY_BYTES / 254 + 4)
#define RING_BYTES    (2 * FRAME_BYTES) /* drivers want more than their hardware's 128 bytes */
#define CHUNK_BYTES   64
#define SEND_TIMEOUT  pdMS_TO_TICKS(1000)
#define DRAIN_TIMEOUT pdMS_TO_TICKS(200)

/* A pause lets the idle task run, which feeds the task watchdog (5 s unless configured) and frees memory. */
#define REST_PERIOD pdMS_TO_TICKS(1000)
#define REST        1

#define CYCLES_PER_US ((uint64_t)CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ)

static uint8_t received[CHUNK_BYTES], unsent[FRAME_BYTES];
static size_t received_count, received_next, unsent_count;
static int64_t first_us;
static uint32_t first_cycles;
static volatile uint64_t rested_cycles;

#if CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG

static void open_port(void) {
    usb_serial_jtag_driver_config_t rings = {.tx_buffer_size = RING_BYTES, .rx_buffer_size = RING_BYTES};
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&rings));
    usb_serial_jtag_vfs_use_driver();
    usb_serial_jtag_vfs_set_tx_line_endings(ESP_LINE_ENDINGS_LF);
}

/* Waits for bytes; returns how many of at most `room` came. */
static int read_port(uint8_t *bytes, size_t room) {
    return usb_serial_jtag_read_bytes(bytes, (uint32_t)room, portMAX_DELAY);
}

/* Gives up where nobody reads: the host asks again, and the program must not hang on a pulled cable. */
static void write_port(const uint8_t *bytes, size_t size_bytes) {
    (void)usb_serial_jtag_write_bytes(bytes, size_bytes, SEND_TIMEOUT);
}

static void drain_port(void) {
    vTaskDelay(DRAIN_TIMEOUT); /* 5.3 has no call that waits until the host has fetched all */
}

#else

#define PORT ((uart_port_t)CONFIG_ESP_CONSOLE_UART_NUM)

/* Pins and speed are the console's already. Without a ring for sending, writing waits until all is out. */
static void open_port(void) {
    ESP_ERROR_CHECK(uart_driver_install(PORT, RING_BYTES, 0, 0, NULL, 0));
    uart_vfs_dev_use_driver(PORT);
    (void)uart_vfs_dev_port_set_tx_line_endings(PORT, ESP_LINE_ENDINGS_LF);
}

/* Waits for a byte, then takes what has come with it; returns how many, at most `room`. */
static int read_port(uint8_t *bytes, size_t room) {
    size_t more = 0;
    const int first = uart_read_bytes(PORT, bytes, 1, portMAX_DELAY);
    if (first != 1 || uart_get_buffered_data_len(PORT, &more) != ESP_OK || more == 0) {
        return first;
    }
    const int rest = uart_read_bytes(PORT, bytes + 1, (uint32_t)(more < room ? more : room - 1), 0);
    return rest > 0 ? 1 + rest : 1;
}

static void write_port(const uint8_t *bytes, size_t size_bytes) {
    (void)uart_write_bytes(PORT, bytes, size_bytes);
}

static void drain_port(void) {
    (void)uart_wait_tx_done(PORT, DRAIN_TIMEOUT);
}

#endif

void ek_port_init(void) {
    open_port();
    first_us = esp_timer_get_time();
    first_cycles = esp_cpu_get_cycle_count();
}

int ek_port_read_byte(void) {
    while (received_next == received_count) {
        const int count = read_port(received, sizeof received);
        received_count = count > 0 ? (size_t)count : 0;
        received_next = 0;
    }
    return received[received_next++];
}

void ek_port_flush(void) {
    if (unsent_count > 0) {
        write_port(unsent, unsent_count);
        unsent_count = 0;
    }
}

void ek_port_write(const uint8_t *data, size_t size_bytes) {
    while (size_bytes > 0) {
        const size_t room = sizeof unsent - unsent_count;
        const size_t part = size_bytes < room ? size_bytes : room;
        memcpy(unsent + unsent_count, data, part);
        unsent_count += part;
        data += part;
        size_bytes -= part;
        if (unsent_count == sizeof unsent) {
            ek_port_flush();
        }
    }
}

ek_tick_unit ek_port_tick_unit(void) {
    return EK_TICKS_CYCLES;
}

/*
 * The cycle counter has 32 bits and wraps after 18 s at 240 MHz. The timer, which does not wrap, says
 * which of its periods this is: the two run from one crystal, so they never come half a period apart.
 */
static uint64_t cycles(void) {
    const uint64_t estimate = (uint64_t)(esp_timer_get_time() - first_us) * CYCLES_PER_US;
    const uint32_t since = esp_cpu_get_cycle_count() - first_cycles;
    const int32_t ahead = (int32_t)(since - (uint32_t)estimate);
    return estimate + (uint64_t)(int64_t)ahead;
}

uint64_t ek_port_ticks(void) {
    uint64_t rested, now;
    do { /* again where a pause came in between, also one that tore the 64 bits apart */
        rested = rested_cycles;
        now = cycles();
    } while (rested != rested_cycles);
    return now - rested;
}

void ek_esp_idf_rest(TaskHandle_t task) {
    vTaskDelay(REST_PERIOD);
    /* A task that waits for a byte lets the idle task run anyway, and must not be torn from its wait. */
    if (eTaskGetState(task) != eReady) {
        return;
    }
    const uint64_t start = cycles();
    vTaskSuspend(task);
    vTaskDelay(REST);
    rested_cycles += cycles() - start;
    vTaskResume(task);
}

uint32_t ek_port_clock_hz(void) {
    return CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ * 1000000u;
}

/* ESP-IDF counts stacks in bytes, not in words as FreeRTOS does elsewhere. */
uint32_t ek_port_stack_used_bytes(void) {
    return CONFIG_EK_LINK_STACK_BYTES - (uint32_t)uxTaskGetStackHighWaterMark(NULL);
}

const char *ek_port_board_name(void) {
    return EK_BOARD_NAME;
}

void ek_port_reset(void) {
    drain_port();
    esp_restart();
}
