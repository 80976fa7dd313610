/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the generated model on vectors from standard input (all inputs of one after the other) and writes
 * each operator's output and then the model's outputs, in order, to standard output. Returns 2 where the
 * rows of an operator do not follow each other, or some are missing.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct layer {
    int8_t *bytes;
    uint32_t size_bytes;
    uint32_t seen_bytes;
} layer;

static int keep_rows(void *context, const ek_op_rows *rows) {
    layer *const l = (layer *)context + rows->op_index;
    if (l->bytes == NULL) {
        l->bytes = malloc(rows->total_bytes);
        l->size_bytes = rows->total_bytes;
    }
    if (rows->offset_bytes != l->seen_bytes || rows->total_bytes != l->size_bytes) {
        return 1;
    }
    memcpy(l->bytes + l->seen_bytes, rows->data, rows->size_bytes);
    l->seen_bytes += rows->size_bytes;
    return 0;
}

/* Writes and forgets the layers. Returns 0 where one is not complete. */
static int write_layers(layer *layers, uint32_t count) {
    int complete = 1;
    for (uint32_t i = 0; i < count; i++) {
        complete = complete && layers[i].bytes != NULL && layers[i].seen_bytes == layers[i].size_bytes;
        fwrite(layers[i].bytes, 1, layers[i].seen_bytes, stdout);
        free(layers[i].bytes);
        layers[i] = (layer){NULL, 0, 0};
    }
    return complete;
}

int main(void) {
    const ek_model_info *const info = ek_model_get_info();
    layer *const layers = calloc(info->op_count, sizeof *layers);
    void *const arena = malloc(EK_MODEL_ARENA_BYTES);
    if (ek_model_init(arena, EK_MODEL_ARENA_BYTES) != EK_OK) {
        return 1;
    }
    for (;;) {
        for (unsigned i = 0; i < info->input_count; i++) {
            if (fread(ek_model_input(i), 1, info->inputs[i].size_bytes, stdin) < info->inputs[i].size_bytes) {
                free(arena);
                free(layers);
                return 0;
            }
        }
        ek_model_set_observer(keep_rows, layers);
        if (ek_model_invoke() != EK_OK || !write_layers(layers, info->op_count)) {
            return 2;
        }
        for (unsigned i = 0; i < info->output_count; i++) {
            fwrite(ek_model_output(i), 1, info->outputs[i].size_bytes, stdout);
        }
    }
}
