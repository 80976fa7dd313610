"""A graph as layers that run row by row: what the schedule, the memory plan and the C writer work on.

A tensor of 1 x H x W x C has H rows of W * C bytes; one of another rank has as many rows as the product of
all axes but the last. RESHAPE makes no new bytes: its output is stored where its input is. A layer that sees
a tensor under other rows than those in which it was written needs it as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import prod

from edgekit.codegen.kernel_calls import KernelCall, kernel_call
from edgekit.errors import ModelError
from edgekit.graph.ir import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Reshape,
    Softmax,
    Tensor,
    Window,
)


@dataclass(frozen=True)
class Rows:
    """``height`` rows of ``row_bytes`` bytes each, one after the other."""

    height: int
    row_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes of all rows."""
        return self.height * self.row_bytes


@dataclass(frozen=True)
class Reach:
    """Which rows of an operand row y of the output needs: ``y * stride - pad_top + i * dilation``, i < taps."""

    taps: int = 1
    stride: int = 1
    dilation: int = 1
    pad_top: int = 0

    def first(self, y: int) -> int:
        """The first of them that exists."""
        return max(y * self.stride - self.pad_top, 0)

    def last(self, y: int, height: int) -> int:
        """The last of them that exists in an operand of ``height`` rows."""
        return min(y * self.stride - self.pad_top + (self.taps - 1) * self.dilation, height - 1)


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
    """One operator. ``call`` is None where it moves no byte; ``storage`` is the tensor that it writes."""

    op: Op
    operands: tuple[Operand, ...]
    storage: int
    rows: Rows
    call: KernelCall | None

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
        """Storages of the model's inputs."""
        return tuple(self.aliases[index] for index in self.graph.inputs)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Storages of the model's outputs."""
        return tuple(self.aliases[index] for index in self.graph.outputs)


def lower(graph: Graph) -> Program:
    """The layers of ``graph``, each with its kernel. Raises ModelError where an operator has none."""
    storages = {index: _own_rows(graph.tensors[index]) for index in graph.inputs}
    aliases = {index: index for index in graph.inputs}
    layers = []
    for op in graph.ops:
        reads = [(aliases[index], rows, reach) for index, rows, reach in _operands(op, graph)]
        operands = tuple(
            Operand(storage, rows, reach, is_whole=storages[storage] != rows) for storage, rows, reach in reads
        )
        if isinstance(op, Reshape):
            aliases[op.output] = aliases[op.inputs[0]]
        else:
            aliases[op.output] = op.output
            storages[op.output] = _output_rows(op, graph)
        call = kernel_call(graph, op)
        rows = storages[op.output] if call is not None else operands[0].rows
        layers.append(Layer(op, operands, aliases[op.output], rows, call))
    return Program(graph, tuple(layers), storages, aliases)


def _own_rows(tensor: Tensor) -> Rows:
    shape = tensor.shape or (1,)
    if len(shape) == 4 and shape[0] == 1:
        return Rows(shape[1], shape[2] * shape[3])
    return Rows(prod(shape[:-1]), shape[-1])


def _image_rows(graph: Graph, index: int) -> Rows:
    """Rows of an NHWC activation."""
    tensor = graph.tensors[index]
    batch, height, width, channels = tensor.shape
    if batch != 1:
        raise ModelError(
            f"tensor {index} ('{tensor.name}') has batch size {batch}; the ahead-of-time engine runs one "
            "image at a time. Convert the model with batch size 1."
        )
    return Rows(height, width * channels)


def _window_reach(window: Window) -> Reach:
    return Reach(window.height, window.stride_height, window.dilation_height, window.pad_top)


@singledispatch
def _operands(op: Op, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    """Tensor, rows and reach of each input. Here: element by element."""
    rows = _output_rows(op, graph)
    return [(index, rows, Reach()) for index in op.inputs]


@_operands.register
def _(op: Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    return [(op.inputs[0], _image_rows(graph, op.inputs[0]), _window_reach(op.window))]


@_operands.register
def _(op: FullyConnected, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    depth = op.filter.shape[1]
    return [(op.inputs[0], Rows(graph.tensors[op.inputs[0]].size_bytes // depth, depth), Reach())]


@_operands.register
def _(op: Mean, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    rows = _image_rows(graph, op.inputs[0])
    return [(op.inputs[0], rows, Reach(taps=rows.height))]


@_operands.register
def _(op: Pad, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    (_, height, width, channels), before, _ = pad_extents(op, graph)
    return [(op.inputs[0], Rows(height, width * channels), Reach(pad_top=before[1]))]


@_operands.register
def _(op: Reshape, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    return [(op.inputs[0], Rows(1, graph.tensors[op.output].size_bytes), Reach())]


def _output_rows(op: Op, graph: Graph) -> Rows:
    tensor = graph.tensors[op.output]
    if isinstance(op, Mean):
        return Rows(1, tensor.size_bytes)
    if isinstance(op, FullyConnected | Softmax):
        depth = op.filter.shape[0] if isinstance(op, FullyConnected) else tensor.shape[-1]
        return Rows(tensor.size_bytes // depth, depth)
    if isinstance(op, Pad):
        (_, height, width, channels), before, after = pad_extents(op, graph)
        row_bytes = (before[2] + width + after[2]) * (before[3] + channels + after[3])
        return Rows(before[1] + height + after[1], row_bytes)
    return _own_rows(tensor)


def pad_extents(
    op: Pad, graph: Graph
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Extents of the input, and what PAD adds before and after, on four axes: leading ones are of extent 1.

    Raises ModelError where it pads the batch.
    """
    shape = graph.tensors[op.inputs[0]].shape
    leading = 4 - len(shape)
    extents = (1,) * leading + shape
    before, after = (0,) * leading + op.before, (0,) * leading + op.after
    if (extents[0], before[0], after[0]) != (1, 0, 0):
        raise ModelError(
            f"operator {op.index} of the model, PAD, has or makes a batch of several images; the "
            "ahead-of-time engine runs one at a time. Convert the model with batch size 1."
        )
    return extents, before, after
