/* SPDX-License-Identifier: Apache-2.0 */
/* The ahead-of-time engine: ek_model.h over the plan that the generated model.c holds. */
#include <stddef.h>
#include <stdint.h>

#include "edgekit/ek_model.h"
#include "edgekit/ek_plan.h"
#include "edgekit/ek_port.h"

#define ARENA_ALIGNMENT 16 /* every offset of the plan is a multiple of it */

__attribute__((weak)) void ek_port_relax(void) {}

static int8_t *arena;      /* NULL until ek_model_init succeeds */
static uint32_t rows_done; /* rows of input 0 that were handed over for the next run */
static ek_op_observer observer;
static void *observer_context;

static int8_t *row_address(const EK_FLASH ek_rows *rows, uint32_t row) {
    if (rows->ring_rows == 0) {
        return arena + (uint32_t)ek_model_plan.row_places[rows->offset + row] * EK_PLACE_BYTES;
    }
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

/* Whether the first layer is the input, which then has no place of its own in the arena. */
static int is_streamed(void) {
    return ek_model_plan.input_offsets == NULL;
}

/* Whether the rows that row `y` needs are there, as far as layers of the same segment write them. */
static int is_ready(const EK_FLASH ek_layer *layer, uint32_t y) {
    if (layer->input_count == 0) {
        return y < rows_done;
    }
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

/* Layers of the segment that begins with `first`. */
static uint32_t count_layers(const EK_FLASH ek_layer *first) {
    uint32_t count = 1;
    while (first[count - 1].fused) {
        count++;
    }
    return count;
}

static void begin_segment(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        ek_model_plan.progress[i] = 0;
    }
}

/* Goes on with the segment of `count` layers from `first` on, row by row, until it is at its end or the
 * caller's next row is due. Returns what the observer says. */
static int continue_segment(const EK_FLASH ek_layer *first, uint32_t count) {
    uint16_t *const progress = ek_model_plan.progress;
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
    rows_done = 0;
    if (memory == NULL || (uintptr_t)memory % ARENA_ALIGNMENT != 0 ||
        memory_bytes < ek_model_get_info()->arena_bytes) {
        return EK_ERR_ARENA;
    }
    arena = memory;
    return EK_OK;
}

int8_t *ek_model_input(unsigned index) {
    return arena != NULL && index < ek_model_get_info()->input_count && !is_streamed()
               ? arena + ek_model_plan.input_offsets[index]
               : NULL;
}

static int has_all_rows(void) {
    const ek_model_info *const info = ek_model_get_info();
    return rows_done * info->input_row_bytes == info->inputs[0].size_bytes;
}

int8_t *ek_model_next_row(void) {
    if (arena == NULL || has_all_rows()) {
        return NULL;
    }
    return is_streamed() ? row_address(&ek_model_plan.layers[0].output, rows_done)
                         : ek_model_input(0) + rows_done * ek_model_get_info()->input_row_bytes;
}

ek_status ek_model_row_done(void) {
    const EK_FLASH ek_layer *const first = ek_model_plan.layers;
    if (arena == NULL || has_all_rows()) {
        return EK_ERR_NOT_READY;
    }
    rows_done++;
    if (is_streamed()) {
        const uint32_t count = count_layers(first);
        if (rows_done == 1) {
            begin_segment(count);
        }
        if (continue_segment(first, count) != 0) {
            rows_done = 0;
            return EK_ERR_STOPPED;
        }
    }
    return EK_OK;
}

ek_status ek_model_feed_rows(const int8_t *rows, uint32_t count) {
    const uint32_t row_bytes = ek_model_get_info()->input_row_bytes;
    ek_status status = EK_OK;
    for (; count > 0 && status == EK_OK; count--) {
        int8_t *const row = ek_model_next_row();
        for (uint32_t i = 0; i < row_bytes && row != NULL; i++) {
            row[i] = *rows++;
        }
        status = ek_model_row_done();
    }
    return status;
}

void ek_model_forget_rows(void) {
    rows_done = 0;
}

ek_status ek_model_invoke(void) {
    if (arena == NULL || ((is_streamed() || rows_done != 0) && !has_all_rows())) {
        return EK_ERR_NOT_READY;
    }
    rows_done = 0;
    const EK_FLASH ek_layer *layer = ek_model_plan.layers;
    const EK_FLASH ek_layer *const end = layer + ek_model_plan.layer_count;
    if (is_streamed()) {
        layer += count_layers(layer); /* the rows took it to its end */
    }
    while (layer != end) {
        const uint32_t count = count_layers(layer);
        begin_segment(count);
        if (continue_segment(layer, count) != 0) {
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
