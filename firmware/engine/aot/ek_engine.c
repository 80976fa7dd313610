/* SPDX-License-Identifier: Apache-2.0 */
/* The ahead-of-time engine: ek_model.h over the plan that the generated model.c holds. */
#include <stddef.h>
#include <stdint.h>

#include "edgekit/ek_model.h"
#include "edgekit/ek_plan.h"
#include "edgekit/ek_port.h"

#define ARENA_ALIGNMENT 16 /* every offset of the plan is a multiple of it */

__attribute__((weak)) void ek_port_relax(void) {}

static int8_t *arena; /* NULL until ek_model_init succeeds */
static ek_op_observer observer;
static void *observer_context;

static int8_t *row_address(const EK_FLASH ek_rows *rows, uint32_t row) {
    /* Most tensors are there as a whole, and small cores have no division. */
    const uint32_t place = row < rows->ring_rows ? row : row % rows->ring_rows;
    return arena + (rows->offset + place * rows->row_bytes);
}

/* Collects the rows that row `y` of the layer's output is computed from. */
static void find_taps(const EK_FLASH ek_layer *layer, uint32_t y) {
    const int8_t **tap = ek_model_plan.taps;
    for (uint32_t i = 0; i < layer->input_count; i++) {
        const EK_FLASH ek_operand *operand = &layer->inputs[i];
        int32_t row = (int32_t)(y * operand->stride) - operand->pad_top;
        for (uint32_t t = operand->taps; t > 0; t--) {
            const int inside = row >= 0 && row < operand->height;
            *tap++ = inside ? row_address(&operand->rows, (uint32_t)row) : layer->outside;
            row += operand->dilation;
        }
    }
}

/* Computes row `y`. Returns what the observer says: 0 to go on. */
static int run_row(const EK_FLASH ek_layer *layer, uint32_t y) {
    int8_t *const output = row_address(&layer->output, y);
    if (layer->kernel != NULL) {
        find_taps(layer, y);
        layer->kernel(layer->params, ek_model_plan.taps, output, arena + layer->scratch_offset);
        ek_port_relax();
    }
    if (observer == NULL || layer->op_index == EK_NO_OP) {
        return 0;
    }
    const ek_op_rows rows = {layer->op_index, output, y * layer->output.row_bytes, layer->output.row_bytes,
                             layer->height * layer->output.row_bytes};
    return observer(observer_context, &rows);
}

/* Whether the rows that row `y` needs are there, as far as layers of the same segment write them. */
static int is_ready(const EK_FLASH ek_layer *layer, uint32_t y) {
    for (uint32_t i = 0; i < layer->input_count; i++) {
        const EK_FLASH ek_operand *operand = &layer->inputs[i];
        if (operand->producer != EK_PRODUCED_BEFORE) {
            const int32_t reach = (int32_t)(operand->taps - 1) * operand->dilation - operand->pad_top;
            const int32_t last = (int32_t)(y * operand->stride) + reach;
            const int32_t highest = operand->height - 1;
            if (ek_model_plan.progress[operand->producer] <= (last < highest ? last : highest)) {
                return 0;
            }
        }
    }
    return 1;
}

/* Runs the segment of `count` layers from `first` on, row by row. Returns what the observer says. */
static int run_segment(const EK_FLASH ek_layer *first, uint32_t count) {
    uint16_t *const progress = ek_model_plan.progress;
    for (uint32_t i = 0; i < count; i++) {
        progress[i] = 0;
    }
    for (uint32_t i = count; i > 0;) {
        const EK_FLASH ek_layer *layer = &first[i - 1];
        const uint32_t y = progress[i - 1];
        if (y < layer->height && is_ready(layer, y)) {
            const int stop = run_row(layer, y);
            if (stop != 0) {
                return stop;
            }
            progress[i - 1]++;
            i = count; /* what follows may have become ready */
        } else {
            i--;
        }
    }
    return 0;
}

ek_status ek_model_init(void *memory, size_t memory_bytes) {
    arena = NULL;
    if (memory == NULL || (uintptr_t)memory % ARENA_ALIGNMENT != 0 ||
        memory_bytes < ek_model_get_info()->arena_bytes) {
        return EK_ERR_ARENA;
    }
    arena = memory;
    return EK_OK;
}

int8_t *ek_model_input(unsigned index) {
    return arena != NULL && index < ek_model_get_info()->input_count
               ? arena + ek_model_plan.input_offsets[index]
               : NULL;
}

ek_status ek_model_invoke(void) {
    if (arena == NULL) {
        return EK_ERR_NOT_READY;
    }
    const EK_FLASH ek_layer *layer = ek_model_plan.layers;
    const EK_FLASH ek_layer *const end = layer + ek_model_plan.layer_count;
    while (layer != end) {
        uint32_t count = 1;
        while (layer[count - 1].fused) {
            count++;
        }
        if (run_segment(layer, count) != 0) {
            return EK_ERR_STOPPED;
        }
        layer += count;
    }
    return EK_OK;
}

const int8_t *ek_model_output(unsigned index) {
    return arena != NULL && index < ek_model_get_info()->output_count
               ? arena + ek_model_plan.output_offsets[index]
               : NULL;
}

size_t ek_model_arena_used_bytes(void) {
    return (size_t)ek_model_get_info()->arena_bytes;
}

void ek_model_set_observer(ek_op_observer new_observer, void *context) {
    observer = new_observer;
    observer_context = context;
}
