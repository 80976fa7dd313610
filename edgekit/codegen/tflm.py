"""What the tflm engine needs besides ``firmware/engine/tflm``: the model, its facts and its operators."""

from __future__ import annotations

from edgekit.codegen.border import GET_INFO, check_border, contract_check, info_definition, op_count, origin
from edgekit.codegen.c_array import generate_c_array
from edgekit.codegen.op_resolver import generate_op_resolver
from edgekit.graph.ir import Graph

ENGINE_NAME = "tflm"

TFLM_SOURCES = ("engine/tflm/ek_tflm.cc",)
"""The files of firmware/ to compile with the generated ones."""


def generate_tflm(graph: Graph, model: bytes, arena_bytes: int, prepare_bytes: int) -> dict[str, str]:
    """The files for ``model``, the .tflite that ``graph`` was read from, as {file name: text}.

    ``arena_bytes`` is the arena that the application is to provide; ``prepare_bytes`` as in
    :func:`generate_op_resolver`. Raises ModelError for a model that ek_model.h cannot describe.
    """
    check_border(graph)
    return {
        "model.h": _model_header(graph, arena_bytes),
        "model.c": _model_source(graph),
        "model_ops.h": generate_op_resolver(graph, prepare_bytes),
        **generate_c_array(model, graph.name),
    }


def _model_header(graph: Graph, arena_bytes: int) -> str:
    return f"""\
{origin(graph)}
#ifndef EDGEKIT_MODEL_H
#define EDGEKIT_MODEL_H

#include "edgekit/ek_model.h"

/* Bytes of the arena that ek_model_init needs. */
#define EK_MODEL_ARENA_BYTES {arena_bytes}

#endif /* EDGEKIT_MODEL_H */
"""


def _model_source(graph: Graph) -> str:
    return f"""\
{origin(graph)}
#include "model.h"

{contract_check("model.c")}

#define OP_COUNT {op_count(graph)}

{info_definition(graph, ENGINE_NAME)}
{GET_INFO}"""
