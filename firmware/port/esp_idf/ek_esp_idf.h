/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ESP-IDF port adds to ek_port.h: pauses during long inferences, so that the task watchdog is fed
 * whatever the engine and however long an operator takes.
 */
#ifndef EDGEKIT_EK_ESP_IDF_H
#define EDGEKIT_EK_ESP_IDF_H

#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Waits for a second and then, where `task` is not waiting for the host, stops it for one tick, which
 * ek_port_ticks does not count. To be called over and over, after ek_port_init, by a task of a higher
 * priority on the same core.
 */
void ek_esp_idf_rest(TaskHandle_t task);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_ESP_IDF_H */
