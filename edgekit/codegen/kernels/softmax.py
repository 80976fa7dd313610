"""SOFTMAX by tables: the exponentials of int8 differences are at most 256 numbers, known here."""

from __future__ import annotations

import numpy as np

from edgekit.codegen.kernels.values import ConstantArray, KernelCall, check_ranges, struct, uint16, uint32
from edgekit.graph import arithmetic
from edgekit.graph.ir import Graph, Int32Array, Op, Softmax

_LOWEST, _HIGHEST = -128, 127
# From here on it takes fewer instructions to count elements by value than to go through them one by one.
_MANY = 160
_MANY_SCRATCH_BYTES = 768
_EXPONENTIAL_BYTES = 4
# Exponentials of less add nothing to a sum, and make no output.
_LEAST_EXPONENTIAL = 1 << 11
# What a table may take of flash: the code of an exponential, which it spares, and something for each
# element, of which each spares hundreds of instructions.
_CODE_BYTES = 256
_BYTES_AN_ELEMENT = 16


def of_two_call(graph: Graph, op: Op) -> KernelCall | None:
    """``op`` over two elements, by a table of outputs, which is smaller than the code that it spares. None
    for any other, and where outputs are not each other's negative.
    """
    if not isinstance(op, Softmax) or graph.tensors[op.output].shape[-1] != 2:
        return None
    exponentials = _exponentials(op)
    pairs = np.stack([exponentials, np.broadcast_to(exponentials[0], exponentials.shape)], axis=1)
    lower, higher = arithmetic.softmax_probabilities(pairs).T
    if not np.array_equal(higher, np.where(lower == _LOWEST, _HIGHEST, -lower)):
        return None
    distances = int(np.count_nonzero(lower != _LOWEST))
    if np.any(lower[:distances] == _LOWEST):
        return None
    params = struct(
        lower=ConstantArray("lower", "int8_t", lower[:distances], "outputs by distance"),
        distances=uint16(distances),
    )
    return KernelCall("ek_softmax_of_two_s8", "kernels/softmax_of_two.c", "ek_softmax_of_two", params)


def table_call(graph: Graph, op: Op) -> KernelCall | None:
    """``op`` by a table, of exponentials where it is over more than two elements; None for any other
    operator, and where that is not worth its flash.
    """
    call = of_two_call(graph, op)
    if call is not None or not isinstance(op, Softmax):
        return call
    depth = graph.tensors[op.output].shape[-1]
    exponentials = _exponentials(op)
    differences = int(np.count_nonzero(exponentials >= _LEAST_EXPONENTIAL))
    falls = bool(np.all(np.diff(exponentials) <= 0))
    if not falls or differences * _EXPONENTIAL_BYTES > _CODE_BYTES + _BYTES_AN_ELEMENT * depth:
        return None
    params = struct(
        depth=uint32(depth),
        exponentials=ConstantArray(
            "exponentials", "int32_t", exponentials[:differences], "Q0.31, by difference to the highest"
        ),
        differences=uint16(differences),
    )
    check_ranges(op, params)
    name, scratch_bytes = ("of_many", _MANY_SCRATCH_BYTES) if depth >= _MANY else ("table", 0)
    return KernelCall(
        f"ek_softmax_{name}_s8",
        f"kernels/softmax_{name}.c",
        "ek_softmax_table",
        params,
        scratch_bytes=scratch_bytes,
    )


def _exponentials(op: Softmax) -> Int32Array:
    return arithmetic.softmax_exponentials(op.multiplier, op.left_shift, op.diff_min)
