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
#define EK_PLAN_VERSION 4

/* Offsets in row_places count so many bytes. */
#define EK_PLACE_BYTES 16

/* Rows in the arena: row r lies at offset + (r % ring_rows) * row_bytes; where ring_rows is 0, at
 * EK_PLACE_BYTES * row_places[offset + r], wherever there was room while it exists. */
typedef struct ek_tensor {
    uint32_t offset; /* bytes from the arena's start, or entries of row_places */
    uint32_t row_bytes;
    uint16_t height;    /* rows in all */
    uint16_t ring_rows; /* height, fewer where older rows are overwritten, or 0 */
} ek_tensor;

/* Row y of an output needs the rows y * stride - pad_top + i * dilation for i in 0..taps-1, those of them
 * that the operand has. */
typedef struct ek_reach {
    int32_t pad_top;
    uint16_t taps;
    uint16_t stride;
    uint16_t dilation;
} ek_reach;

/* An input of a layer. All its rows are there but where a layer of the same segment writes it. */
typedef struct ek_operand {
    int16_t tensor;  /* in `tensors` */
    uint8_t reach;   /* in `reaches` */
    uint8_t outside; /* in `outside_rows`: stands in for a row outside the input */
} ek_operand;

/* No operator: a part of the one whose layer follows, or the streamed input. */
#define EK_NO_OP 0xffff

/* One operator, or a part of one. */
typedef struct ek_layer {
    ek_kernel kernel; /* NULL where the output is the input under another shape, or the streamed input */
    const EK_FLASH void *params;
    uint32_t scratch_offset; /* of the kernel's scratch bytes; without meaning where it needs none */
    uint16_t op_index;       /* the operator's number in the .tflite, or EK_NO_OP */
    uint16_t first_operand;  /* in `operands`, which are in the order of their layers */
    uint8_t operand_count;
    uint8_t fused;  /* 1: in one segment with the next layer */
    uint8_t reader; /* layers from this one to the last of its segment that reads its output; 0: none does */
} ek_layer;

/*
 * Layers run segment by segment. Within a segment of several, the next row is always computed of the latest
 * layer whose input rows are there: so rows are used up as soon as they can be.
 *
 * A streamed input is the first layer. It reads its own next row, which is never there, so it never runs: its
 * rows are those that the caller hands over, when nothing else can be computed.
 */
typedef struct ek_plan {
    const EK_FLASH ek_layer *layers;
    const EK_FLASH ek_tensor *tensors; /* i: output of layer i; -1 - i: input i, or other rows of a tensor */
    const EK_FLASH ek_operand *operands;
    const EK_FLASH ek_reach *reaches;
    const int8_t *const EK_FLASH *outside_rows; /* in RAM like any; 0: NULL, the kernel wants none */
    const EK_FLASH uint16_t *row_places;     /* of rows that exist for a while only; NULL: there are none */
    const EK_FLASH uint32_t *output_offsets; /* of each output, in bytes */
    const int8_t **taps;                     /* room for the row pointers of any layer */
    uint16_t *progress;                      /* room for a counter a layer of the longest segment */
    int16_t layer_count;
} ek_plan;

/* What the generated model.c defines, besides ek_model_get_info. */
extern const EK_FLASH ek_plan ek_model_plan;

#ifdef __cplusplus
}
#endif

#endif /* EDGEKIT_EK_PLAN_H */
