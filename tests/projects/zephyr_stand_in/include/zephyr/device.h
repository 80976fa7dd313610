/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for Zephyr's header: what the port uses, as the API reference of Zephyr 4.2 declares it. */
#ifndef STAND_IN_ZEPHYR_DEVICE_H
#define STAND_IN_ZEPHYR_DEVICE_H

#include <stdbool.h>

struct device {
    const char *name;
};

extern const struct device stand_in_zephyr_console;

#define DEVICE_DT_GET(node) (&node)

bool device_is_ready(const struct device *dev);

#endif
