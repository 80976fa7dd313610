"""Removes operators that change nothing, that repeat another one, or that nobody reads.

The operator that stands last in the model always stays: its position tells how many operators the .tflite
has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TypeGuard

import numpy as np

from edgekit.graph.ir import AveragePool2D, Graph, MaxPool2D, Op, Pad, Requantization
from edgekit.graph.passes.bounds import Bounds, graph_bounds


def remove_redundant(graph: Graph) -> Graph:
    """``graph`` without operators whose output is their input, or the output of an equal operator before."""
    # Only pools need to know them.
    bounds = graph_bounds(graph) if any(map(_is_single, graph.ops)) else {}
    instead: dict[int, int] = {}
    seen: dict[object, int] = {}
    ops: list[Op] = []
    for original in graph.ops:
        op = replace(original, inputs=tuple(instead.get(index, index) for index in original.inputs))
        ops.append(op)
        if op.output in graph.outputs:
            continue
        if _changes_nothing(op, graph, bounds):
            instead[op.output] = op.inputs[0]
        else:
            key = (_fingerprint(op), graph.tensors[op.output].shape)
            if key in seen:
                instead[op.output] = seen[key]
            seen.setdefault(key, op.output)
    return without_unread(replace(graph, ops=tuple(ops))) if instead else without_unread(graph)


def without_unread(graph: Graph) -> Graph:
    """``graph`` without the operators, and without the tensors, that lead to no output."""
    needed = {*graph.inputs, *graph.outputs}
    ops: list[Op] = []
    for op in reversed(graph.ops):
        if op.output in needed or op is graph.ops[-1]:
            needed |= {op.output, *op.inputs}
            ops.append(op)
    if len(ops) == len(graph.ops):
        return graph
    tensors = {index: tensor for index, tensor in graph.tensors.items() if index in needed}
    return replace(graph, tensors=tensors, ops=tuple(reversed(ops)))


def _changes_nothing(op: Op, graph: Graph, bounds: Mapping[int, Bounds]) -> bool:
    if isinstance(op, Pad):
        return not any((*op.before, *op.after))
    if not _is_single(op) or graph.tensors[op.inputs[0]].shape != graph.tensors[op.output].shape:
        return False
    source = bounds[op.inputs[0]]
    return bool(op.activation_min <= source.low.min() and source.high.max() <= op.activation_max)


def _is_single(op: Op) -> TypeGuard[AveragePool2D | MaxPool2D]:
    """Whether ``op`` is a pool of one element at a time."""
    return isinstance(op, AveragePool2D | MaxPool2D) and (op.window.height, op.window.width) == (1, 1)


def _fingerprint(op: Op) -> object:
    """A value that two operators share if and only if they compute the same of the same tensors."""
    parts = [_hashable(getattr(op, field.name)) for field in fields(op) if field.name not in _PLACEMENT]
    return type(op), tuple(parts)


_PLACEMENT = {"index", "output"}


def _hashable(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Requantization):
        return _hashable(value.multiplier), _hashable(value.shift)
    if isinstance(value, tuple):
        return tuple(_hashable(part) for part in value)
    return value
