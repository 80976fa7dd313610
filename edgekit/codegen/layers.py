"""A graph as layers that run row by row: what the schedule, the memory plan and the C writer work on.

RESHAPE makes no new bytes: its output is stored where its input is. A layer that sees a tensor under other
rows than those in which it was written needs it as a whole.

A streamed input is written by a layer, too: by its caller, a row at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from edgekit.codegen.border import check_border
from edgekit.codegen.kernels import accumulate_call, kernel_call
from edgekit.codegen.kernels.portable import mean_of_sums_call
from edgekit.codegen.kernels.values import KernelCall
from edgekit.codegen.rows import (
    LARGEST_COUNT,
    Reach,
    Rows,
    as_one_row,
    is_global_mean,
    operands,
    output_rows,
    own_rows,
)
from edgekit.errors import ModelError, UsageError
from edgekit.graph.ir import AveragePool2D, Graph, Mean, Op, Reshape

_SUM_BYTES = 4


@dataclass(frozen=True)
class Operand:
    """A tensor as a layer reads it. ``storage`` is the tensor whose bytes it is.

    ``is_whole``: the layer sees it under other rows than those in which it is written, so all of them must
    be there while the layer runs.
    """

    storage: int
    rows: Rows
    reach: Reach
    is_whole: bool


@dataclass(frozen=True)
class Layer:
    """One operator, or a part of one (``is_partial``) whose output is none of the graph's tensors.

    ``call`` is None where edgekit moves no byte; ``storage`` is the tensor that it writes. Without
    ``operands`` it is the streamed input, whose rows the caller writes; no operator has the number of ``op``.
    """

    op: Op
    operands: tuple[Operand, ...]
    storage: int
    rows: Rows
    call: KernelCall | None
    is_partial: bool = False

    @property
    def is_feed(self) -> bool:
        """Whether the caller writes the rows."""
        return not self.operands

    @property
    def writes(self) -> bool:
        """Whether rows come to be by it; else its output is its input under another shape."""
        return self.call is not None or self.is_feed

    @property
    def scratch_bytes(self) -> int:
        """Bytes that the kernel needs besides."""
        return 0 if self.call is None else self.call.scratch_bytes


@dataclass(frozen=True)
class Program:
    """``layers`` in execution order. ``storages`` maps each tensor that owns bytes to its rows; ``aliases``
    maps every activation to the tensor whose bytes it is.
    """

    graph: Graph
    layers: tuple[Layer, ...]
    storages: Mapping[int, Rows]
    aliases: Mapping[int, int]

    @property
    def inputs(self) -> tuple[int, ...]:
        """Storages of the inputs that are there from the start: none where the input is streamed."""
        return () if self.is_streamed else tuple(self.aliases[index] for index in self.graph.inputs)

    @property
    def is_streamed(self) -> bool:
        """Whether the first layer is the input, whose rows come while the others run."""
        return self.layers[0].is_feed

    @property
    def outputs(self) -> tuple[int, ...]:
        """Storages of the model's outputs."""
        return tuple(self.aliases[index] for index in self.graph.outputs)


KnownCalls: TypeAlias = dict[tuple[int, bool], KernelCall | None]
"""Kernels by the number of their operator, and whether it sees the image as a single row."""


def lower(
    graph: Graph,
    features: frozenset[str] = frozenset(),
    *,
    accumulate: bool = False,
    merged: frozenset[int] = frozenset(),
    stream_input: bool = False,
    known_calls: KnownCalls | None = None,
) -> Program:
    """The layers of ``graph``, each with its kernel for a core of those ``features``.

    Raises ModelError where an operator has none, or where ek_model.h cannot tell the model's inputs and
    outputs.

    ``accumulate``: a mean over a whole image becomes two layers, sums that take up a row at a time and what
    makes means of them. So the image need never exist as a whole; it is of use only where they are fused.
    ``merged``: numbers of operators to run on the whole image as on a single row, which spares kernels the
    ends of rows; they must be among :func:`edgekit.codegen.rows.mergeable`.
    ``stream_input``: the input's rows come one at a time. Raises UsageError where they cannot.
    ``known_calls`` takes up kernels' parameters and gives them back to later calls for the same graph and
    features, because to find them takes most of the time.
    """
    calls = {} if known_calls is None else known_calls
    check_border(graph)
    storages = {index: own_rows(graph.tensors[index]) for index in graph.inputs}
    aliases = {index: index for index in graph.inputs}
    layers = [_feed(graph)] if stream_input else []
    for op in graph.ops:
        seen = as_one_row(op, graph) if op.index in merged else graph
        reads = tuple(
            Operand(aliases[index], rows, reach, is_whole=storages[aliases[index]] != rows)
            for index, rows, reach in operands(op, seen)
        )
        aliases[op.output] = aliases[op.inputs[0]] if isinstance(op, Reshape) else op.output
        if not isinstance(op, Reshape):
            storages[op.output] = output_rows(op, seen)
        if accumulate and is_global_mean(op, graph) and not reads[0].is_whole:
            sums, taking_up, finishing = _accumulated(op, reads[0], storages[op.output], graph, features)
            storages[sums] = taking_up.rows
            layers += [taking_up, finishing]
        else:
            key = (op.index, op.index in merged)
            call = calls[key] if key in calls else kernel_call(seen, op, features)
            calls[key] = call
            rows = storages[op.output] if call is not None else reads[0].rows
            layers.append(Layer(op, reads, aliases[op.output], rows, call))
        _check_counts(layers[-1])
    if stream_input:
        _check_readers(layers, graph)
    return Program(graph, tuple(layers), storages, aliases)


def _feed(graph: Graph) -> Layer:
    """The streamed input. Raises UsageError where the model has several, or one that is no image."""
    index = graph.inputs[0]
    shape = graph.tensors[index].shape
    if len(graph.inputs) != 1:
        raise UsageError(
            f"{graph.name} has {len(graph.inputs)} inputs; only a single one can come row by row. Leave "
            "--stream-input out."
        )
    if len(shape) != 4 or shape[0] != 1 or shape[1] < 2:
        raise UsageError(
            f"the input of {graph.name} is {'x'.join(map(str, shape))}, which is no image of several rows. "
            "Leave --stream-input out."
        )
    return Layer(Op(-1, (), index), (), index, own_rows(graph.tensors[index]), None)


def _check_readers(layers: Sequence[Layer], graph: Graph) -> None:
    """Raises UsageError where a layer needs the streamed input as a whole."""
    for layer in layers:
        if any(operand.is_whole and operand.storage == layers[0].storage for operand in layer.operands):
            raise UsageError(
                f"operator {layer.op.index} of {graph.name}, {layer.op.opcode}, needs the whole input at "
                "once, so nothing is gained by taking it row by row. Leave --stream-input out."
            )


def _check_counts(layer: Layer) -> None:
    """Raises ModelError where rows, taps or strides are beyond what ek_plan.h counts."""
    counts = [layer.rows.height]
    for operand in layer.operands:
        counts += [operand.rows.height, operand.reach.taps, operand.reach.stride, operand.reach.dilation]
    if max(counts) > LARGEST_COUNT:
        raise ModelError(
            f"operator {layer.op.index} of the model, {layer.op.opcode}, is too large for the ahead-of-time "
            f"engine: it has {max(counts)} rows, taps or steps between them, {LARGEST_COUNT} fit. Use a "
            "smaller model."
        )


def _accumulated(
    op: AveragePool2D | Mean, image: Operand, output: Rows, graph: Graph, features: frozenset[str]
) -> tuple[int, Layer, Layer]:
    """The storage of the sums, and both layers. Row y of the sums is those of the image's rows up to y."""
    sums = -1 - op.index  # no tensor has a negative index
    height, rows = image.rows.height, Rows(image.rows.height, _SUM_BYTES * output.row_bytes)
    before = Operand(sums, rows, Reach(pad_top=1), is_whole=False)
    last = Operand(sums, rows, Reach(pad_top=1 - height), is_whole=False)
    taking_up = Layer(
        op,
        (replace(image, reach=Reach()), before),
        sums,
        rows,
        accumulate_call(graph, op, features),
        is_partial=True,
    )
    return sums, taking_up, Layer(op, (last,), op.output, output, mean_of_sums_call(graph, op))
