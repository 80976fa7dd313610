/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input on standard input, as many bytes of output as the first argument says on standard output; two
 * inferences, of which the second tells its layers. Marks are system calls that fail: close() of file MARK
 * before and after the first inference and before the second, and of MARK + 1 + n after each row of operator n
 * in the second.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edgekit/ek_model.h"
#include "model.h"

#define MARK 0x10000

static _Alignas(16) uint8_t arena[EK_MODEL_ARENA_BYTES];
static int8_t input[EK_MODEL_ARENA_BYTES];

static int mark_row(void *context, const ek_op_rows *rows) {
    (void)context;
    close(MARK + 1 + rows->op_index);
    return 0;
}

int main(int argc, char **argv) {
    const size_t size = fread(input, 1, sizeof input, stdin);
    if (argc != 2 || ek_model_init(arena, sizeof arena) != EK_OK) {
        return 1;
    }
    memcpy(ek_model_input(0), input, size);
    close(MARK);
    const ek_status status = ek_model_invoke();
    close(MARK);
    if (status != EK_OK) {
        return 1;
    }
    fwrite(ek_model_output(0), 1, strtoul(argv[1], NULL, 10), stdout);
    memcpy(ek_model_input(0), input, size);
    ek_model_set_observer(mark_row, NULL);
    close(MARK);
    return ek_model_invoke() == EK_OK ? 0 : 1;
}
