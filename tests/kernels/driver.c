/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs kernels, row by row, on cases from a stream of little-endian int32 words and bytes:
 *
 *     cases, then for each:
 *       kernel's number, bytes of its parameters, these bytes, pointers in them, scratch bytes, calls,
 *       for each pointer: where it lies in the parameters, bytes that it points to, these bytes,
 *       for each call: rows, for each row its bytes (-1: NULL), its place and these bytes, bytes of the
 * output row and its place. A row's place is how many bytes behind a multiple of 16 it begins.
 *
 * The outputs are written one after the other. kernel_table.h, which the test writes, lists the kernels.
 * Every array has an allocation of its own size, so that the address sanitizer sees a byte too many.
 */
#include "edgekit/ek_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_table.h"

#define MAX_ARRAYS 600
#define CANARY     0x5a

static void read_bytes(void *bytes, size_t size) {
    if (size != 0 && fread(bytes, 1, size, stdin) != size) {
        fputs("the cases end early\n", stderr);
        exit(2);
    }
}

static int32_t read_word(void) {
    uint8_t b[4];
    read_bytes(b, sizeof b);
    return (int32_t)(b[0] | ((uint32_t)b[1] << 8) | ((uint32_t)b[2] << 16) | ((uint32_t)b[3] << 24));
}

/* What is allocated lives until release(). */
static void *allocated[MAX_ARRAYS];
static size_t allocated_count;

static void *allocate(size_t size) {
    void *const memory = malloc(size); /* aligned to 16 on the machines of 64 bits that this runs on */
    if (allocated_count == MAX_ARRAYS || (memory == NULL && size != 0)) {
        exit(3);
    }
    allocated[allocated_count++] = memory;
    return memory;
}

static void release(size_t count) {
    while (allocated_count > count) {
        free(allocated[--allocated_count]);
    }
}

/* `size` bytes, `place` behind a multiple of 16, that end where the allocation ends. */
static int8_t *allocate_row(size_t size, size_t place) {
    return (int8_t *)allocate(size + place) + place;
}

static int8_t *read_row(void) {
    const int32_t size = read_word();
    if (size < 0) {
        return NULL;
    }
    int8_t *const row = allocate_row((size_t)size, (size_t)read_word());
    read_bytes(row, (size_t)size);
    return row;
}

static void *read_params(void) {
    const size_t size = (size_t)read_word();
    uint8_t *const params = allocate(size);
    read_bytes(params, size);
    return params;
}

static void read_pointers(uint8_t *params, int32_t count) {
    for (; count > 0; count--) {
        const size_t place = (size_t)read_word();
        const size_t size = (size_t)read_word();
        void *const array = allocate(size);
        read_bytes(array, size);
        memcpy(params + place, &array, sizeof array);
    }
}

#if defined(__arm__) || defined(__riscv)
#define MOST_STACK_BYTES 512 /* what ek_kernels.h promises */
#define WATCHED_WORDS    512
#define PAINT            0xc0ffee5au

/* Calls the kernel and finds how far down it wrote: nothing else writes below the stack pointer here. */
static __attribute__((noinline)) void call(ek_kernel kernel, const void *params, const int8_t *const *rows,
                                           int8_t *output, void *scratch) {
    volatile uint32_t *stack;
#if defined(__arm__)
    __asm__ volatile("mov %0, sp" : "=r"(stack));
#else
    __asm__ volatile("mv %0, sp" : "=r"(stack));
#endif
    for (int i = 1; i <= WATCHED_WORDS; i++) {
        stack[-i] = PAINT;
    }
    kernel(params, rows, output, scratch);
    int used = WATCHED_WORDS;
    while (used > 0 && stack[-used] == PAINT) {
        used--;
    }
    if ((size_t)used * sizeof *stack > MOST_STACK_BYTES) {
        fprintf(stderr, "a kernel took %u bytes of stack\n", (unsigned)((size_t)used * sizeof *stack));
        exit(7);
    }
}
#else
static void call(ek_kernel kernel, const void *params, const int8_t *const *rows, int8_t *output,
                 void *scratch) {
    kernel(params, rows, output, scratch);
}
#endif

static void run_call(ek_kernel kernel, const void *params, int8_t *scratch) {
    const size_t before = allocated_count;
    const int8_t *rows[64];
    const int32_t row_count = read_word();
    for (int32_t i = 0; i < row_count; i++) {
        rows[i] = read_row();
    }
    const size_t size = (size_t)read_word();
    int8_t *const output = allocate_row(size, (size_t)read_word());
    memset(output, CANARY, size);
    call(kernel, params, rows, output, scratch);
    fwrite(output, 1, size, stdout);
    release(before);
}

int main(void) {
    for (int32_t cases = read_word(); cases > 0; cases--) {
        const ek_kernel kernel = kernel_table[read_word()];
        void *const params = read_params();
        const int32_t pointers = read_word();
        const size_t scratch_bytes = (size_t)read_word();
        int8_t *const scratch = allocate(scratch_bytes);
        const int32_t calls = read_word();
        read_pointers(params, pointers);
        for (int32_t call = 0; call < calls; call++) {
            /* Whatever an earlier call left there: a kernel that reads it before it writes shows. */
            memset(scratch, CANARY + call, scratch_bytes);
            run_call(kernel, params, scratch);
        }
        release(0);
    }
    return 0;
}
