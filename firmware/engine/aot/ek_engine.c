/* SPDX-License-Identifier: Apache-2.0 */
/* The ahead-of-time engine: ek_model.h over the plan that the generated model.c holds. */
#include <stddef.h>
#include <stdint.h>

#include "edgekit/ek_model.h"
#include "edgekit/ek_plan.h"
#include "edgekit/ek_port.h"

#define ARENA_ALIGNMENT 16 /* every offset of the plan is a multiple of it */
#define ALWAYS_INLINED  inline __attribute__((always_inline))
#define NOT_INLINED     __attribute__((noinline))

__attribute__((weak)) void ek_port_relax(void) {}

static int8_t *arena;      /* NULL until ek_model_init succeeds */
static uint32_t rows_done; /* rows of input 0 that were handed over for the next run */
static ek_op_observer observer;
static void *observer_context;

static ALWAYS_INLINED int8_t *row_address(const EK_FLASH ek_tensor *tensor, uint32_t row) {
    const uint32_t ring_rows = tensor->ring_rows;
    if (ring_rows == 0) {
        return arena + (uint32_t)ek_model_plan.row_places[tensor->offset + row] * EK_PLACE_BYTES;
    }
    if (row >= ring_rows) { /* most tensors are there as a whole, and small cores have no division */
        row %= ring_rows;
    }
    return arena + (tensor->offset + row * tensor->row_bytes);
}

/* Collects at `tap` the rows of an operand that row `y` of an output is computed from. Returns the place
 * behind them, or NULL where one is not there yet: of what layers from `first` on write, only some rows are.
 * Not inlined: it leaves the stack before the kernel runs. */
static NOT_INLINED const int8_t **find_rows(const EK_FLASH ek_operand *operand, int first, uint32_t y,
                                            const int8_t **tap) {
    const EK_FLASH ek_tensor *const tensor = &ek_model_plan.tensors[operand->tensor];
    const EK_FLASH ek_reach *const reach = &ek_model_plan.reaches[operand->reach];
    const uint32_t height = tensor->height;
    uint32_t row = y * reach->stride - (uint32_t)reach->pad_top; /* wraps around above the first */
    if (operand->tensor >= first) {
        const uint32_t there = ek_model_plan.progress[operand->tensor - first];
        const uint32_t last = row + (uint32_t)(reach->taps - 1) * reach->dilation;
        if (there < height && (int32_t)last >= (int32_t)there) {
            return NULL;
        }
    }
    const int8_t *const outside = ek_model_plan.outside_rows[operand->outside];
    unsigned left = reach->taps;
    do {
        *tap++ = row < height ? row_address(tensor, row) : outside;
        row += reach->dilation;
    } while (--left != 0);
    return tap;
}

/* Collects the rows of all operands. Returns 0 where one is not there yet. */
static int find_taps(const EK_FLASH ek_layer *layer, int first, uint32_t y) {
    const EK_FLASH ek_operand *operand = &ek_model_plan.operands[layer->first_operand];
    const EK_FLASH ek_operand *const end = operand + layer->operand_count;
    const int8_t **tap = ek_model_plan.taps;
    do {
        tap = find_rows(operand, first, y, tap);
    } while (tap != NULL && ++operand != end);
    return tap != NULL;
}

/* Shows row `y` of the layer's output to the observer. Returns what it says: 0 to go on. */
static NOT_INLINED int observe(const EK_FLASH ek_layer *layer, const EK_FLASH ek_tensor *output, uint32_t y,
                               const int8_t *row) {
    const uint32_t row_bytes = output->row_bytes;
    const ek_op_rows rows = {layer->op_index, row, y * row_bytes, row_bytes, output->height * row_bytes};
    return layer->op_index == EK_NO_OP ? 0 : observer(observer_context, &rows);
}

/* Computes rows of the segment that begins with layer `first`, until it is at its end or the caller's next
 * row is due. Layers after `index` can do nothing yet. Returns what the observer says. */
static int continue_segment(int first, int index) {
    while (index >= first) {
        const EK_FLASH ek_layer *const layer = &ek_model_plan.layers[index];
        const EK_FLASH ek_tensor *const output = &ek_model_plan.tensors[index];
        uint16_t *const progress = &ek_model_plan.progress[index - first];
        const uint32_t y = *progress;
        if (y == output->height || !find_taps(layer, first, y)) {
            index--;
            continue;
        }
        int8_t *const row = row_address(output, y);
        if (layer->kernel != NULL) {
            layer->kernel(layer->params, ek_model_plan.taps, row, arena + layer->scratch_offset);
            ek_port_relax();
        }
        const int stop = observer != NULL ? observe(layer, output, y, row) : 0;
        if (stop != 0) {
            return stop;
        }
        *progress = (uint16_t)(y + 1);
        index += layer->reader; /* no later one may have become ready */
    }
    return 0;
}

/* The layer after the segment that begins with layer `first`. */
static int end_of_segment(int first) {
    while (ek_model_plan.layers[first].fused) {
        first++;
    }
    return first + 1;
}

static int run_segment(int first, int end) {
    for (int i = first; i < end; i++) {
        ek_model_plan.progress[i - first] = 0;
    }
    return continue_segment(first, end - 1);
}

/* Whether the first layer is the input, which then has no place of its own in the arena. */
static int is_streamed(void) {
    return ek_model_get_info()->input_streamed;
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
               ? arena + ek_model_plan.tensors[-1 - (int)index].offset
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
    return row_address(&ek_model_plan.tensors[is_streamed() ? 0 : -1], rows_done);
}

ek_status ek_model_row_done(void) {
    if (arena == NULL || has_all_rows()) {
        return EK_ERR_NOT_READY;
    }
    if (is_streamed()) {
        int stop = rows_done == 0 ? run_segment(0, end_of_segment(0)) : 0;
        if (stop == 0) {
            ek_model_plan.progress[0]++;
            stop = continue_segment(0, ek_model_plan.layers[0].reader);
        }
        if (stop != 0) {
            rows_done = 0;
            return EK_ERR_STOPPED;
        }
    }
    rows_done++;
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
    int first = is_streamed() ? end_of_segment(0) : 0; /* the rows took the first one to its end */
    while (first < ek_model_plan.layer_count) {
        const int end = end_of_segment(first);
        if (run_segment(first, end) != 0) {
            return EK_ERR_STOPPED;
        }
        first = end;
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
