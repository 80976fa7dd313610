/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test harness of link/main.c as tasks of FreeRTOS. Everything is static: no heap is used beyond what
 * the drivers take.
 */
#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "ek_esp_idf.h"
#include "esp_attr.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "model.h"
#include "sdkconfig.h"

#define CORE             0
#define LINK_PRIORITY    (tskIDLE_PRIORITY + 1)
#define REST_PRIORITY    (tskIDLE_PRIORITY + 2)
#define REST_STACK_BYTES 2048

#if CONFIG_EK_ARENA_IN_PSRAM
static EXT_RAM_BSS_ATTR EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
#else
static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
#endif

static ek_link serial_link;
static StackType_t link_stack[CONFIG_EK_LINK_STACK_BYTES], rest_stack[REST_STACK_BYTES];
static StaticTask_t link_task, rest_task;

static void rest_now_and_then(void *task) {
    for (;;) {
        ek_esp_idf_rest(task);
    }
}

static void serve_link(void *unused) {
    (void)unused;
    ek_port_init(); /* here, because the cycle counter is that of the core it is read on */
    (void)xTaskCreateStaticPinnedToCore(rest_now_and_then, "ek_rest", sizeof rest_stack,
                                        xTaskGetCurrentTaskHandle(), REST_PRIORITY, rest_stack, &rest_task,
                                        CORE);
    ek_link_run(&serial_link, ek_model_init(arena, sizeof arena));
}

void app_main(void) {
    (void)xTaskCreateStaticPinnedToCore(serve_link, "ek_link", sizeof link_stack, NULL, LINK_PRIORITY,
                                        link_stack, &link_task, CORE);
}
