/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the generated model on vectors from standard input (all inputs of one after the other) and writes
 * each operator's output and then the model's outputs, in order, to standard output.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

static int write_layer(void *context, uint32_t op, const int8_t *layer, size_t size_bytes) {
    uint32_t *const expected_op = context;
    fwrite(layer, 1, size_bytes, stdout);
    return op != (*expected_op)++;
}

int main(void) {
    const ek_model_info *const info = ek_model_get_info();
    void *const arena = malloc(EK_MODEL_ARENA_BYTES);
    if (ek_model_init(arena, EK_MODEL_ARENA_BYTES) != EK_OK) {
        return 1;
    }
    for (;;) {
        for (unsigned i = 0; i < info->input_count; i++) {
            if (fread(ek_model_input(i), 1, info->inputs[i].size_bytes, stdin) < info->inputs[i].size_bytes) {
                free(arena);
                return 0;
            }
        }
        uint32_t op = 0;
        ek_model_set_observer(write_layer, &op);
        if (ek_model_invoke() != EK_OK || op != info->op_count) {
            return 2;
        }
        for (unsigned i = 0; i < info->output_count; i++) {
            fwrite(ek_model_output(i), 1, info->outputs[i].size_bytes, stdout);
        }
    }
}
