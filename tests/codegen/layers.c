/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the generated model on vectors from standard input (all inputs of one after the other) and writes
 * each operator's output and then the model's outputs, in order, to standard output. Returns 2 where the
 * rows of an operator do not follow each other, or some are missing. With an argument, so many rows of the
 * first input are handed over at once, the last ones as many as are left.
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

/* Returns 0 where there is no more. */
static int read_inputs(const ek_model_info *info, uint32_t rows_at_once) {
    const uint32_t row_count = info->inputs[0].size_bytes / info->input_row_bytes;
    int8_t *const rows = malloc((size_t)rows_at_once * info->input_row_bytes);
    int complete = 1;
    for (uint32_t y = 0; rows_at_once > 0 && y < row_count && complete; y += rows_at_once) {
        const uint32_t count = rows_at_once < row_count - y ? rows_at_once : row_count - y;
        complete = fread(rows, info->input_row_bytes, count, stdin) == count &&
                   ek_model_feed_rows(rows, count) == EK_OK;
    }
    free(rows);
    for (unsigned i = rows_at_once > 0; i < info->input_count && complete; i++) {
        complete = fread(ek_model_input(i), info->inputs[i].size_bytes, 1, stdin) == 1;
    }
    return complete;
}

int main(int argc, char **argv) {
    const uint32_t rows_at_once = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    const ek_model_info *const info = ek_model_get_info();
    layer *const layers = calloc(info->op_count, sizeof *layers);
    void *const arena = malloc(EK_MODEL_ARENA_BYTES);
    if (ek_model_init(arena, EK_MODEL_ARENA_BYTES) != EK_OK) {
        return 1;
    }
    ek_model_set_observer(keep_rows, layers);
    while (read_inputs(info, rows_at_once)) {
        if (ek_model_invoke() != EK_OK || !write_layers(layers, info->op_count)) {
            return 2;
        }
        for (unsigned i = 0; i < info->output_count; i++) {
            fwrite(ek_model_output(i), 1, info->outputs[i].size_bytes, stdout);
        }
    }
    free(arena);
    free(layers);
    return 0;
}
