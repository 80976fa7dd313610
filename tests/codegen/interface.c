/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that the generated model keeps the contract of ek_model.h, and prints what ek_model_get_info
 * tells, one value a line. Prints the line of the first check that fails and returns 1.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

typedef struct stopper {
    uint32_t stop_after; /* the operator */
    uint32_t ops;        /* operators that are complete */
    int stopped;
} stopper;

static int stop_after(void *context, const ek_op_rows *rows) {
    stopper *const s = context;
    const uint32_t end = rows->offset_bytes + rows->size_bytes;
    CHECK(!s->stopped && rows->data != NULL && rows->size_bytes > 0 && end <= rows->total_bytes);
    s->ops += end == rows->total_bytes;
    s->stopped = end == rows->total_bytes && rows->op_index == s->stop_after;
    return s->stopped ? 7 : 0;
}

static void check_arena(uint8_t *arena) {
    const int8_t row[1] = {0};
    CHECK(ek_model_invoke() == EK_ERR_NOT_READY);
    CHECK(ek_model_next_row() == NULL && ek_model_row_done() == EK_ERR_NOT_READY);
    CHECK(ek_model_feed_rows(row, 1) == EK_ERR_NOT_READY && ek_model_feed_rows(NULL, 0) == EK_OK);
    CHECK(ek_model_input(0) == NULL && ek_model_output(0) == NULL);
    CHECK(ek_model_init(NULL, EK_MODEL_ARENA_BYTES) == EK_ERR_ARENA);
    CHECK(ek_model_init(arena + 1, EK_MODEL_ARENA_BYTES) == EK_ERR_ARENA);
    CHECK(ek_model_init(arena + 8, EK_MODEL_ARENA_BYTES) == EK_ERR_ARENA);
    CHECK(ek_model_init(arena, EK_MODEL_ARENA_BYTES - 1) == EK_ERR_ARENA);
    CHECK(ek_model_invoke() == EK_ERR_NOT_READY);
    CHECK(ek_model_init(arena, EK_MODEL_ARENA_BYTES) == EK_OK);
    CHECK(ek_model_arena_used_bytes() == EK_MODEL_ARENA_BYTES);
    CHECK(ek_model_init(NULL, 0) == EK_ERR_ARENA);
    CHECK(ek_model_invoke() == EK_ERR_NOT_READY && ek_model_input(0) == NULL);
    CHECK(ek_model_init(arena, EK_MODEL_ARENA_BYTES + 16) == EK_OK);
}

static void check_border(const uint8_t *arena, const ek_model_info *info) {
    const int8_t *const begin = (const int8_t *)arena;
    const int8_t *const end = begin + EK_MODEL_ARENA_BYTES;
    for (unsigned i = 0; i < info->input_count; i++) {
        const int8_t *const input = ek_model_input(i);
        CHECK((input == NULL) == info->input_streamed);
        if (info->input_streamed) {
            continue;
        }
        CHECK(input >= begin && input + info->inputs[i].size_bytes <= end);
        for (unsigned j = 0; j < i; j++) {
            CHECK(input >= ek_model_input(j) + info->inputs[j].size_bytes ||
                  ek_model_input(j) >= input + info->inputs[i].size_bytes);
        }
    }
    for (unsigned i = 0; i < info->output_count; i++) {
        const int8_t *const output = ek_model_output(i);
        CHECK(output >= begin && output + info->outputs[i].size_bytes <= end);
    }
    CHECK(ek_model_input(info->input_count) == NULL && ek_model_output(info->output_count) == NULL);
    CHECK(ek_model_input(UINT32_MAX) == NULL && ek_model_output(UINT32_MAX) == NULL);
}

/* Runs the model on zeros, handed over row by row where `by_rows`. Returns the first status that is not OK.
 */
static ek_status run_on_zeros(const ek_model_info *info, int by_rows) {
    int8_t *row;
    while (by_rows && (row = ek_model_next_row()) != NULL) {
        memset(row, 0, info->input_row_bytes);
        const ek_status status = ek_model_row_done();
        if (status != EK_OK) {
            return status;
        }
    }
    return ek_model_invoke();
}

static void check_rows(const uint8_t *arena, const ek_model_info *info) {
    const int8_t *const first = ek_model_next_row();
    const uint32_t count = info->inputs[0].size_bytes / info->input_row_bytes;
    CHECK(count * info->input_row_bytes == info->inputs[0].size_bytes);
    CHECK(ek_model_invoke() == (info->input_streamed ? EK_ERR_NOT_READY : EK_OK));
    for (unsigned round = 0; round < 3; round++) {
        CHECK(ek_model_next_row() == first && first == ek_model_next_row());
        for (uint32_t y = 0; y < count; y++) {
            int8_t *const row = ek_model_next_row();
            CHECK(row >= (const int8_t *)arena &&
                  row + info->input_row_bytes <= (const int8_t *)arena + EK_MODEL_ARENA_BYTES);
            CHECK(y == 0 || ek_model_invoke() == EK_ERR_NOT_READY);
            memset(row, 0, info->input_row_bytes);
            if (round == 1 && y == count / 2) {
                ek_model_forget_rows();
                break;
            }
            CHECK(ek_model_row_done() == EK_OK);
        }
        if (round != 1) {
            CHECK(ek_model_next_row() == NULL && ek_model_row_done() == EK_ERR_NOT_READY);
            CHECK(ek_model_feed_rows(first, 1) == EK_ERR_NOT_READY);
            CHECK(ek_model_invoke() == EK_OK);
        }
    }
}

static void check_observer(const ek_model_info *info, int by_rows) {
    for (uint32_t op = 0; op < info->op_count; op++) {
        stopper s = {op, 0, 0};
        ek_model_set_observer(stop_after, &s);
        CHECK(run_on_zeros(info, by_rows) == EK_ERR_STOPPED && s.stopped);
    }
    stopper s = {UINT32_MAX, 0, 0};
    ek_model_set_observer(stop_after, &s);
    CHECK(run_on_zeros(info, by_rows) == EK_OK && s.ops == info->op_count);
    ek_model_set_observer(NULL, NULL);
    CHECK(run_on_zeros(info, by_rows) == EK_OK && s.ops == info->op_count);
}

static void print_tensor(const ek_tensor_info *tensor) {
    printf("%s\n%u", tensor->name, tensor->rank);
    for (unsigned i = 0; i < tensor->rank; i++) {
        printf(" %u", tensor->dims[i]);
    }
    printf("\n%u %a %d\n", tensor->size_bytes, (double)tensor->scale, tensor->zero_point);
}

int main(void) {
    static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES + 32];
    const ek_model_info *const info = ek_model_get_info();
    check_arena(arena);
    check_border(arena, info);
    check_rows(arena, info);
    check_observer(info, 1);
    if (!info->input_streamed) {
        check_observer(info, 0);
    }
    printf("%s\n%s\n", info->name, info->engine);
    for (unsigned i = 0; i < EK_SHA256_BYTES; i++) {
        printf("%02x", info->sha256[i]);
    }
    printf("\n%u %u\n", info->op_count, info->arena_bytes);
    for (unsigned i = 0; i < info->input_count; i++) {
        print_tensor(&info->inputs[i]);
    }
    for (unsigned i = 0; i < info->output_count; i++) {
        print_tensor(&info->outputs[i]);
    }
    return 0;
}
