/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs kernels on cases from standard input. A case is a sequence of little-endian int32: the kernel's
 * number, its parameters in the order of the struct (an array as its length and its elements), the inputs
 * (as arrays), and the size of the output, which is written to standard output.
 *
 * Every array has an allocation of its own size, so that the address sanitizer sees a byte too many.
 */
#include "edgekit/ek_kernels.h"

#include <stdio.h>
#include <stdlib.h>

static int32_t word(void) {
    int32_t value;
    if (fread(&value, sizeof value, 1, stdin) != 1) {
        fputs("the case ends early\n", stderr);
        exit(2);
    }
    return value;
}

static uint16_t word_u16(void) {
    return (uint16_t)word();
}

static int8_t word_s8(void) {
    return (int8_t)word();
}

/* Arrays live until release(). */
static void *allocated[16];
static size_t allocated_count;

static void *allocate(size_t size) {
    void *const memory = malloc(size);
    allocated[allocated_count++] = memory;
    return memory;
}

static void release(void) {
    while (allocated_count > 0) {
        free(allocated[--allocated_count]);
    }
}

static int8_t *array_s8(void) {
    const size_t length = (size_t)word();
    int8_t *const array = allocate(length);
    for (size_t i = 0; i < length; i++) {
        array[i] = word_s8();
    }
    return array;
}

static int32_t *array_s32(void) {
    const size_t length = (size_t)word();
    int32_t *const array = allocate(length * sizeof *array);
    for (size_t i = 0; i < length; i++) {
        array[i] = word();
    }
    return array;
}

static ek_shape shape(void) {
    ek_shape s;
    s.height = word_u16();
    s.width = word_u16();
    s.channels = word_u16();
    return s;
}

static ek_window window(void) {
    ek_window w;
    w.height = word_u16();
    w.width = word_u16();
    w.stride_height = word_u16();
    w.stride_width = word_u16();
    w.dilation_height = word_u16();
    w.dilation_width = word_u16();
    w.pad_top = word_u16();
    w.pad_left = word_u16();
    return w;
}

static ek_output_stage output_stage(void) {
    ek_output_stage s;
    s.bias = array_s32();
    s.multiplier = array_s32();
    s.shift = array_s8();
    s.per_channel = (uint8_t)word();
    s.zero_point = word_s8();
    s.activation_min = word_s8();
    s.activation_max = word_s8();
    return s;
}

static int8_t *output;
static size_t output_size;

static void allocate_output(void) {
    output_size = (size_t)word();
    output = allocate(output_size);
}

static void conv_2d(void) {
    ek_conv_2d p;
    p.input = shape();
    p.output = shape();
    p.window = window();
    p.input_zero_point = word_s8();
    p.weights = array_s8();
    p.stage = output_stage();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_conv_2d_s8(&p, input, output);
}

static void depthwise_conv_2d(void) {
    ek_depthwise_conv_2d p;
    p.input = shape();
    p.output = shape();
    p.window = window();
    p.depth_multiplier = word_u16();
    p.input_zero_point = word_s8();
    p.weights = array_s8();
    p.stage = output_stage();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_depthwise_conv_2d_s8(&p, input, output);
}

static void fully_connected(void) {
    ek_fully_connected p;
    p.batches = (uint32_t)word();
    p.input_depth = (uint32_t)word();
    p.output_depth = (uint32_t)word();
    p.input_zero_point = word_s8();
    p.weights_zero_point = word_s8();
    p.weights = array_s8();
    p.stage = output_stage();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_fully_connected_s8(&p, input, output);
}

static void add(void) {
    ek_add p;
    p.size = (uint32_t)word();
    for (int i = 0; i < 2; i++) {
        p.operands[i].multiplier = word();
        p.operands[i].shift = word_s8();
        p.operands[i].zero_point = word_s8();
    }
    p.output_multiplier = word();
    p.output_shift = word_s8();
    p.output_zero_point = word_s8();
    p.activation_min = word_s8();
    p.activation_max = word_s8();
    p.left_shift = (uint8_t)word();
    const int8_t *const input_0 = array_s8();
    const int8_t *const input_1 = array_s8();
    allocate_output();
    ek_add_s8(&p, input_0, input_1, output);
}

static void pool_2d(void (*kernel)(const ek_pool_2d *, const int8_t *, int8_t *)) {
    ek_pool_2d p;
    p.input = shape();
    p.output = shape();
    p.window = window();
    p.activation_min = word_s8();
    p.activation_max = word_s8();
    const int8_t *const input = array_s8();
    allocate_output();
    kernel(&p, input, output);
}

static void average_pool_2d(void) {
    pool_2d(ek_average_pool_2d_s8);
}

static void max_pool_2d(void) {
    pool_2d(ek_max_pool_2d_s8);
}

static void mean(void) {
    ek_mean p;
    p.input = shape();
    p.multiplier = word();
    p.shift = word_s8();
    p.input_zero_point = word_s8();
    p.output_zero_point = word_s8();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_mean_s8(&p, input, output);
}

static void pad(void) {
    ek_pad p;
    uint32_t *const fields[] = {p.input, p.before, p.after};
    for (int field = 0; field < 3; field++) {
        for (int axis = 0; axis < 4; axis++) {
            fields[field][axis] = (uint32_t)word();
        }
    }
    p.value = word_s8();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_pad_s8(&p, input, output);
}

static void softmax(void) {
    ek_softmax p;
    p.rows = (uint32_t)word();
    p.depth = (uint32_t)word();
    p.multiplier = word();
    p.left_shift = (uint8_t)word();
    p.diff_min = (int16_t)word();
    const int8_t *const input = array_s8();
    allocate_output();
    ek_softmax_s8(&p, input, output);
}

int main(void) {
    /* In alphabetical order, which gives the numbers. */
    void (*const kernels[])(void) = {
        add, average_pool_2d, conv_2d, depthwise_conv_2d, fully_connected, max_pool_2d, mean, pad, softmax};
    for (int32_t cases = word(); cases > 0; cases--) {
        kernels[word()]();
        fwrite(output, 1, output_size, stdout);
        release();
    }
    return 0;
}
