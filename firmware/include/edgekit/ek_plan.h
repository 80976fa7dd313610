/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generated model.c tells the ahead-of-time engine (engine/aot/ek_engine.c): which kernels run, on
 * rows that lie where, in which order. The generator made and proved it; nothing here is checked again. All
 * of it is EK_FLASH (ek_flash.h) but the room for `taps` and `progress`.
 */
#ifndef EDGEKIT_EK_PLAN_H
#define EDGEKIT_EK_PLAN_H

#include <stdint.h>

#include "edgekit/ek_flash.h"
#include "edgekit/ek_kernels.h"
#include "edgekit/ek_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these structs. Generated code is compiled against one version and refuses another. */
#define EK_PLAN_VERSION 3

/* Offsets in row_places count so many bytes. */
#define EK_PLACE_BYTES 16

/* Rows of a tensor in the arena: row r lies at offset + (r % ring_rows) * row_bytes; where ring_rows is 0, at
 * EK_PLACE_BYTES * row_places[offset + r], wherever there was room while it exists. */
typedef struct ek_rows {
    uint32_t offset; /* bytes from the arena's start, or entries of row_places */
    uint32_t row_bytes;
    uint16_t ring_rows; /* as many as the tensor has, fewer where older rows are overwritten, or 0 */
} ek_rows;

/* The layer that writes an operand is not in the same segment: all its rows are there. */
#define EK_PRODUCED_BEFORE 0xffff

/* An input of a layer. Row y of the output needs the rows y * stride - pad_top + i * dilation for i in
 * 0..taps-1, those of them that are in 0..height-1. */
typedef struct ek_operand {
    ek_rows rows;
    int32_t pad_top;
    uint16_t height;
    uint16_t taps;
    uint16_t stride;
    uint16_t dilation;
    uint16_t producer; /* layers between it and the segment's first, or EK_PRODUCED_BEFORE */
} ek_operand;

/* No operator: a part of the one whose layer follows, or the streamed input. */
#define EK_NO_OP 0xffff

/* One operator, or a part of one. */
typedef struct ek_layer {
    ek_kernel kernel; /* NULL where the output is the input under another shape, or the streamed input */
    const EK_FLASH void *params;
    const int8_t *outside; /* stands in for a row outside the input, in RAM like any; NULL where the kernel
                              wants NULL */
    const EK_FLASH ek_operand *inputs;
    ek_rows output;
    uint32_t scratch_offset; /* of the kernel's scratch bytes; without meaning where it needs none */
    uint16_t height;         /* rows of the output */
    uint16_t op_index;       /* the operator's number in the .tflite, or EK_NO_OP */
    uint8_t input_count;
    uint8_t fused; /* 1: in one segment with the next layer */
} ek_layer;

/*
 * Layers run segment by segment. Within a segment of several, the next row is always computed of the latest
 * layer whose input rows are there: so rows are used up as soon as they can be.
 *
 * A streamed input is the first layer, the only one without inputs: its next row is "computed" when the
 * caller hands it over, and as the earliest layer it is asked for one only when no other row can be computed.
 */
typedef struct ek_plan {
    const EK_FLASH ek_layer *layers;
    uint16_t layer_count;
    const EK_FLASH uint32_t *input_offsets; /* of each input, in bytes; NULL where it is streamed */
    const EK_FLASH uint32_t *output_offsets;
    const EK_FLASH uint16_t *row_places; /* of rows that exist for a while only; NULL: there are none */
    const int8_t **taps;                 /* room for the row pointers of any layer */
    uint16_t *progress;                  /* room for a counter a layer of the longest segment */
} ek_plan;

/* What the generated model.c defines, besides ek_model_get_info. */
extern const EK_FLASH ek_plan ek_model_plan;

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_PLAN_H */
