"""The operators of a model for TFLite Micro: which to register, and with which kernels.

Exactly the model's operators are registered, and those with kernels for int8 alone (which optimised
kernel libraries have, at half the code) with these.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.codegen.border import origin
from edgekit.graph.ir import Graph


@dataclass(frozen=True)
class _Kind:
    """``add`` is the member of MicroMutableOpResolver; it takes a registration where ``has_int8``."""

    add: str
    has_int8: bool


_KINDS = {
    "ADD": _Kind("AddAdd", has_int8=True),
    "AVERAGE_POOL_2D": _Kind("AddAveragePool2D", has_int8=True),
    "CONV_2D": _Kind("AddConv2D", has_int8=True),
    "DEPTHWISE_CONV_2D": _Kind("AddDepthwiseConv2D", has_int8=True),
    "FULLY_CONNECTED": _Kind("AddFullyConnected", has_int8=True),
    "MAX_POOL_2D": _Kind("AddMaxPool2D", has_int8=True),
    "MEAN": _Kind("AddMean", has_int8=False),
    "PAD": _Kind("AddPad", has_int8=False),
    "RESHAPE": _Kind("AddReshape", has_int8=False),
    "SOFTMAX": _Kind("AddSoftmax", has_int8=True),
}


def op_kinds(graph: Graph) -> tuple[str, ...]:
    """The opcodes that occur in ``graph``, each once, sorted."""
    return tuple(sorted({op.opcode for op in graph.ops}))


def generate_op_resolver(graph: Graph, prepare_bytes: int) -> str:
    """``model_ops.h``, C++ for ``firmware/engine/tflm``.

    ``prepare_bytes`` is what preparing any one operator may take from the arena, see
    :func:`edgekit.codegen.tflm_arena.prepare_bytes`.
    """
    kinds = op_kinds(graph)
    codes = "".join(f"    tflite::BuiltinOperator_{opcode},\n" for opcode in kinds)
    added = " ||\n        ".join(f"{_addition(opcode)} != kTfLiteOk" for opcode in kinds)
    return f"""\
{origin(graph)}
#ifndef EDGEKIT_MODEL_OPS_H
#define EDGEKIT_MODEL_OPS_H

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

/*
 * The kernels for int8 alone. TFLite Micro without kernels of that kind has inline functions of these
 * names that give the general ones; define EK_TFLM_GENERAL_KERNELS for a version that lacks the names,
 * or to compare both.
 */
#ifdef EK_TFLM_GENERAL_KERNELS
#define EK_TFLM_INT8(opcode) tflite::Register_##opcode()
#else
#define EK_TFLM_INT8(opcode) tflite::Register_##opcode##_INT8()
#endif

/* Bytes of the arena that preparing any one operator may take. */
#define EK_MODEL_PREPARE_BYTES {prepare_bytes}

#define EK_MODEL_OP_KINDS {len(kinds)}

/* The kinds of operators that the model has. */
constexpr tflite::BuiltinOperator ek_model_op_kinds[EK_MODEL_OP_KINDS] = {{
{codes}}};

inline TfLiteStatus ek_model_add_ops(tflite::MicroMutableOpResolver<EK_MODEL_OP_KINDS> &ops) {{
    if ({added}) {{
        return kTfLiteError;
    }}
    return kTfLiteOk;
}}

#endif /* EDGEKIT_MODEL_OPS_H */
"""


def _addition(opcode: str) -> str:
    kind = _KINDS[opcode]
    return f"ops.{kind.add}({f'EK_TFLM_INT8({opcode})' if kind.has_int8 else ''})"
