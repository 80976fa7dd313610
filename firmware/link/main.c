/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness: the model behind the link, and nothing else. */
#include "edgekit/ek_link.h"
#include "edgekit/ek_port.h"
#include "model.h"

static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
static ek_link serial_link;

int main(void) {
    ek_port_init();
    ek_link_run(&serial_link, ek_model_init(arena, sizeof arena));
    return 0;
}
