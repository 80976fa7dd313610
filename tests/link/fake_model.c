/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two inputs, two outputs, five operators; operator 2 is not materialised. Operator i over the 67 input
 * bytes b gives t_i[k] = (i + 1) * b[k % 67] + 3 * k + i (modulo 256), of 60, 1, 0, 300 and 10 bytes.
 * Outputs: t_4 (10 bytes) and t_3 (300 bytes). A run leaves the inputs in ruins.
 *
 * Where fake_streamed, the first input is the only one, and the bytes of the other are 0; operator 0 computes
 * with each of its four rows as it comes.
 */
#include "fake_model.h"
#include "edgekit/ek_model.h"

#define INPUT_0_BYTES 60
#define INPUT_1_BYTES 7
#define ROW_BYTES     15
#define OP_COUNT      5
#define LARGEST_BYTES 300

int fake_in_halves = 0;
int fake_streamed = 0;
int fake_init_status = EK_OK;
int fake_invoke_status = EK_OK;
uint32_t fake_invocations;
uint64_t fake_ticks;

/* An array each, so that the sanitizer sees a byte too far. */
static int8_t input_0[INPUT_0_BYTES];
static int8_t input_1[INPUT_1_BYTES];
static int8_t output_0[10];
static int8_t output_1[LARGEST_BYTES];
static int8_t held[LARGEST_BYTES];
static int8_t next_row[ROW_BYTES];
static uint32_t rows_done;

static int ready;
static ek_op_observer observer;
static void *observer_context;

static const ek_tensor_info inputs[] = {
    {"image:0", 4, {1, 4, 5, 3}, INPUT_0_BYTES, 0.0078125f, 0},
    {"extra:0", 2, {1, 7}, INPUT_1_BYTES, 0.5f, -128},
};
static const ek_tensor_info outputs[] = {
    {"scores:0", 2, {1, 10}, 10, 0.00390625f, -128},
    {"embedding:0", 2, {1, LARGEST_BYTES}, LARGEST_BYTES, 0.1f, 3},
};
static const size_t op_bytes[OP_COUNT] = {60, 1, 0, LARGEST_BYTES, 10};

const ek_model_info *ek_model_get_info(void) {
    static ek_model_info info = {"fake", "aot", {0}, OP_COUNT, 64, ROW_BYTES, 2, 2, 0, inputs, outputs};
    info.input_count = fake_streamed ? 1 : 2;
    info.input_streamed = (uint8_t)fake_streamed;
    for (uint8_t i = 0; i < EK_SHA256_BYTES; i++) {
        info.sha256[i] = i;
    }
    return &info;
}

ek_status ek_model_init(void *arena, size_t arena_bytes) {
    (void)arena;
    (void)arena_bytes;
    ready = fake_init_status == EK_OK;
    rows_done = 0;
    return (ek_status)fake_init_status;
}

int8_t *ek_model_input(unsigned index) {
    int8_t *const buffers[] = {input_0, input_1};
    return ready && index < 2 && !fake_streamed ? buffers[index] : NULL;
}

const int8_t *ek_model_output(unsigned index) {
    const int8_t *const buffers[] = {output_0, output_1};
    return ready && index < 2 ? buffers[index] : NULL;
}

size_t ek_model_arena_used_bytes(void) {
    return 48;
}

void ek_model_set_observer(ek_op_observer new_observer, void *context) {
    observer = new_observer;
    observer_context = context;
}

static int8_t input_byte(size_t k) {
    return k < INPUT_0_BYTES ? input_0[k] : input_1[k - INPUT_0_BYTES];
}

static void run_op(uint32_t op_index, int8_t *tensor) {
    for (size_t k = 0; k < op_bytes[op_index]; k++) {
        const int byte = input_byte(k % (INPUT_0_BYTES + INPUT_1_BYTES));
        tensor[k] = (int8_t)(uint8_t)((op_index + 1) * (unsigned)byte + 3 * k + op_index);
    }
    fake_ticks += 1000 * (op_index + 1);
}

/* Shows the output, in two parts where the engine is one that computes some rows at a time. */
static int show_op(uint32_t op_index, const int8_t *output) {
    const uint32_t total = (uint32_t)op_bytes[op_index];
    const uint32_t half = fake_in_halves ? total / 2 : 0;
    ek_op_rows rows = {op_index, output, 0, half, total};
    int stop = half > 0 ? observer(observer_context, &rows) : 0;
    if (stop == 0) {
        rows = (ek_op_rows){op_index, output != NULL ? output + half : NULL, half, total - half, total};
        stop = observer(observer_context, &rows);
    }
    return stop;
}

static void ruin_inputs(void) {
    for (size_t k = 0; k < INPUT_0_BYTES; k++) {
        input_0[k] = 99;
    }
    for (size_t k = 0; k < INPUT_1_BYTES; k++) {
        input_1[k] = fake_streamed ? 0 : -99;
    }
}

int8_t *ek_model_next_row(void) {
    return ready && fake_streamed && rows_done < INPUT_0_BYTES / ROW_BYTES ? next_row : NULL;
}

ek_status ek_model_row_done(void) {
    const uint32_t offset = rows_done * ROW_BYTES;
    if (ek_model_next_row() == NULL) {
        return EK_ERR_NOT_READY;
    }
    if (fake_invoke_status != EK_OK) {
        return (ek_status)fake_invoke_status;
    }
    for (uint32_t k = 0; k < ROW_BYTES; k++) {
        input_0[offset + k] = next_row[k];
        held[k] = (int8_t)(uint8_t)((unsigned)next_row[k] + 3 * (offset + k));
        next_row[k] = 77;
    }
    fake_invocations += rows_done == 0;
    rows_done++;
    fake_ticks += 250;
    const ek_op_rows rows = {0, held, offset, ROW_BYTES, INPUT_0_BYTES};
    if (observer != NULL && observer(observer_context, &rows) != 0) {
        rows_done = 0;
        return EK_ERR_STOPPED;
    }
    return EK_OK;
}

void ek_model_forget_rows(void) {
    rows_done = 0;
}

ek_status ek_model_invoke(void) {
    int8_t *const destinations[OP_COUNT] = {held, held, NULL, output_1, output_0};
    if (!ready || (fake_streamed && ek_model_next_row() != NULL)) {
        return EK_ERR_NOT_READY;
    }
    fake_invocations += !fake_streamed;
    rows_done = 0;
    if (fake_invoke_status != EK_OK) {
        return (ek_status)fake_invoke_status;
    }
    for (uint32_t i = fake_streamed ? 1 : 0; i < OP_COUNT; i++) {
        run_op(i, destinations[i]);
        if (observer != NULL && show_op(i, destinations[i]) != 0) {
            ruin_inputs();
            return EK_ERR_STOPPED;
        }
    }
    ruin_inputs();
    return EK_OK;
}
