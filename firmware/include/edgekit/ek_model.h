/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model, as an application and the link see it. Every engine implements exactly these functions:
 * the ahead-of-time engine in the generated model.c, the TFLite-Micro engine over its interpreter.
 *
 * An application needs four calls:
 *
 *     static EK_ALIGNED(16) uint8_t arena[EK_MODEL_ARENA_BYTES];   // from the generated model.h
 *     if (ek_model_init(arena, sizeof arena) != EK_OK) { ... }
 *     fill(ek_model_input(0));                 // int8, NHWC, q = real / scale + zero_point
 *     if (ek_model_invoke() != EK_OK) { ... }
 *     use(ek_model_output(0));
 *
 * Where the input comes row by row, as from a camera, rows can be handed over as they come:
 *
 *     int8_t *row;
 *     while ((row = ek_model_next_row()) != NULL) {
 *         fill_row(row);
 *         if (ek_model_row_done() != EK_OK) { ... }
 *     }
 *     if (ek_model_invoke() != EK_OK) { ... }
 *
 * A model whose firmware was generated with --stream-input can be given its input in no other way: it
 * computes with each row what can be computed, and never has the whole input in memory.
 *
 * One model a program. Nothing here allocates, blocks or prints. The functions are not reentrant.
 */
#ifndef EDGEKIT_EK_MODEL_H
#define EDGEKIT_EK_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define EK_ALIGNED(bytes) alignas(bytes)
#else
#define EK_ALIGNED(bytes) _Alignas(bytes)
#endif

/* Version of these contracts. Generated code is compiled against one version and refuses another. */
#define EK_CONTRACT_VERSION 3

#define EK_MAX_RANK     4
#define EK_SHA256_BYTES 32

typedef enum ek_status {
    EK_OK = 0,
    EK_ERR_ARENA = -1,     /* the arena is too small, misaligned or missing */
    EK_ERR_NOT_READY = -2, /* ek_model_init has not succeeded, or rows of the input are missing */
    EK_ERR_ENGINE = -3,    /* the engine refused the model or failed to run it */
    EK_ERR_STOPPED = -4    /* the observer asked to stop; not a failure */
} ek_status;

/* An int8 tensor at the model's border. Layout NHWC; real = scale * (q - zero_point). */
typedef struct ek_tensor_info {
    const char *name; /* the model's own name of the tensor; NUL-terminated, static */
    uint8_t rank;     /* dimensions used in dims, 1 to EK_MAX_RANK */
    uint32_t dims[EK_MAX_RANK];
    uint32_t size_bytes; /* product of dims: one byte an element */
    float scale;
    int32_t zero_point;
} ek_tensor_info;

typedef struct ek_model_info {
    const char *name;                /* the model's name; NUL-terminated, static */
    const char *engine;              /* "aot" or "tflm" */
    uint8_t sha256[EK_SHA256_BYTES]; /* digest of the .tflite file that this was made from */
    uint32_t op_count;               /* operators of the .tflite, numbered from 0 in execution order */
    uint32_t arena_bytes;            /* smallest arena that ek_model_init accepts */
    uint32_t input_row_bytes;        /* of input 0: W * C of an image 1 x H x W x C, else its size */
    uint8_t input_count;
    uint8_t output_count;
    uint8_t input_streamed;        /* 1: input 0, the only one, is there a row at a time only */
    const ek_tensor_info *inputs;  /* input_count entries */
    const ek_tensor_info *outputs; /* output_count entries */
} ek_model_info;

/* Facts about the model; valid before ek_model_init. Static, never NULL. */
const ek_model_info *ek_model_get_info(void);

/*
 * Prepares the model in the caller's memory.
 *   arena        16-byte aligned, owned by the caller, used by the model until the program ends;
 *   arena_bytes  its size, at least ek_model_get_info()->arena_bytes.
 * Returns EK_OK, EK_ERR_ARENA or EK_ERR_ENGINE. May be called again, also with another arena.
 */
ek_status ek_model_init(void *arena, size_t arena_bytes);

/*
 * The buffer of input `index`, to be written by the caller before each ek_model_invoke: an invocation
 * may reuse it, so its contents are undefined afterwards. Lies in the arena.
 * NULL before ek_model_init, for an index that does not exist, and where the input is streamed.
 */
int8_t *ek_model_input(unsigned index);

/*
 * Where the next row of input 0 goes: input_row_bytes bytes in the arena, to be written by the caller and
 * then handed over with ek_model_row_done. Until then each call returns the same address. The first row
 * begins a new input, and outputs read before are no longer valid.
 * NULL before ek_model_init, and when all rows of the input are there.
 */
int8_t *ek_model_next_row(void);

/*
 * Takes over the row at ek_model_next_row. Where the input is streamed, computes all that it suffices for:
 * the observer is called from within, and the work of an inference is spread over the rows.
 * Returns EK_OK; EK_ERR_NOT_READY where no row is due; EK_ERR_ENGINE; or EK_ERR_STOPPED where the observer
 * stopped it: the next row is then the first of a new input.
 */
ek_status ek_model_row_done(void);

/*
 * Both for `count` rows that lie one after the other at `rows`, input_row_bytes each; they are copied.
 * Returns what ek_model_row_done does; rows before a failure were taken.
 */
ek_status ek_model_feed_rows(const int8_t *rows, uint32_t count);

/* Forgets the rows that were handed over, as of a frame that was cut short: the next row is the first. */
void ek_model_forget_rows(void);

/*
 * Runs the model once on what the input buffers hold, or finishes it once all rows were handed over.
 * Returns EK_OK, EK_ERR_NOT_READY (rows are missing: hand them over and call again), EK_ERR_ENGINE, or
 * EK_ERR_STOPPED where the observer stopped it.
 */
ek_status ek_model_invoke(void);

/*
 * The buffer of output `index`; valid after a successful ek_model_invoke until the next write to an
 * input or the next invocation. Lies in the arena.
 * NULL before ek_model_init or for an index that does not exist.
 */
const int8_t *ek_model_output(unsigned index);

/* Arena bytes in use after ek_model_init, as the engine itself counts them. */
size_t ek_model_arena_used_bytes(void);

/* Rows of an operator's output, just computed. */
typedef struct ek_op_rows {
    uint32_t op_index;     /* the operator's number in the .tflite */
    const int8_t *data;    /* the rows; NULL where an engine does not materialise them */
    uint32_t offset_bytes; /* of the rows in the operator's output */
    uint32_t size_bytes;   /* of the rows; 0 where data is NULL */
    uint32_t total_bytes;  /* of the whole output */
} ek_op_rows;

/*
 * Called with each operator's output, as a whole or some rows at a time: in their order, each byte once.
 * Operators may take turns. An operator that is merged into another has no calls.
 * Returns 0 to go on, anything else to stop the invocation with EK_ERR_STOPPED; the rows then stay in the
 * arena, unchanged, until the next call to this interface.
 */
typedef int (*ek_op_observer)(void *context, const ek_op_rows *rows);

/* Sets the observer of later invocations; NULL removes it. `context` is handed to it as is. */
void ek_model_set_observer(ek_op_observer observer, void *context);

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_MODEL_H */
