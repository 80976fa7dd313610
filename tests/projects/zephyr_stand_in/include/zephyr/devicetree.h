/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAND_IN_ZEPHYR_DEVICETREE_H
#define STAND_IN_ZEPHYR_DEVICETREE_H

#define DT_CHOSEN(name) stand_in_##name

#endif
