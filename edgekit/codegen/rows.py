"""Tensors as rows: how many there are, and which of them a row of an operator's output needs.

A tensor of 1 x H x W x C has H rows of W * C bytes; one of another rank has as many rows as the product of
all axes but the last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from math import prod
from typing import TypeGuard

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

LARGEST_COUNT = 0xFFFF
"""Most columns of a row, and most rows, that kernels and engine count."""


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
    """The rows of an operand that row y of the output needs: ``y * stride - pad_top + i * dilation``,
    ``i`` below ``taps``.
    """

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


def own_rows(tensor: Tensor) -> Rows:
    """The rows of an activation, whoever writes it."""
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
def operands(op: Op, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    """Tensor, rows and reach of each input of ``op``."""
    # Element by element.
    rows = output_rows(op, graph)
    return [(index, rows, Reach()) for index in op.inputs]


@operands.register
def _(
    op: Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D, graph: Graph
) -> list[tuple[int, Rows, Reach]]:
    return [(op.inputs[0], _image_rows(graph, op.inputs[0]), _window_reach(op.window))]


@operands.register
def _(op: FullyConnected, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    depth = op.filter.shape[1]
    return [(op.inputs[0], Rows(graph.tensors[op.inputs[0]].size_bytes // depth, depth), Reach())]


@operands.register
def _(op: Mean, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    rows = _image_rows(graph, op.inputs[0])
    return [(op.inputs[0], rows, Reach(taps=rows.height))]


@operands.register
def _(op: Pad, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    (_, height, width, channels), before, _ = pad_extents(op, graph)
    return [(op.inputs[0], Rows(height, width * channels), Reach(pad_top=before[1]))]


@operands.register
def _(op: Reshape, graph: Graph) -> list[tuple[int, Rows, Reach]]:
    return [(op.inputs[0], Rows(1, graph.tensors[op.output].size_bytes), Reach())]


def output_rows(op: Op, graph: Graph) -> Rows:
    """The rows in which ``op`` writes its output."""
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
    return own_rows(tensor)


def is_global_mean(op: Op, graph: Graph) -> TypeGuard[AveragePool2D | Mean]:
    """Whether ``op`` makes one mean of each channel of an image of several rows."""
    if isinstance(op, AveragePool2D):
        _, height, width, _ = graph.tensors[op.inputs[0]].shape
        window = op.window
        covers = (window.height, window.width) == (height, width)
        return covers and not any((window.pad_top, window.pad_bottom, window.pad_left, window.pad_right))
    return isinstance(op, Mean) and graph.tensors[op.inputs[0]].shape[1] > 1


def mergeable(graph: Graph) -> tuple[int, ...]:
    """Numbers of the operators for which rows do not matter: convolutions of one pixel, step by step."""
    return tuple(
        op.index
        for op in graph.ops
        if isinstance(op, Conv2D)
        and (op.window.height, op.window.width) == (1, 1)
        and (op.window.stride_height, op.window.stride_width) == (1, 1)
        and graph.tensors[op.inputs[0]].shape == (*graph.tensors[op.output].shape[:3], op.filter.shape[3])
        and prod(graph.tensors[op.output].shape[1:3]) <= LARGEST_COUNT
    )


def as_one_row(op: Op, graph: Graph) -> Graph:
    """``graph`` with the input and the output of ``op`` seen as images of one row."""
    tensors = dict(graph.tensors)
    for index in (*op.inputs, op.output):
        batch, height, width, channels = tensors[index].shape
        tensors[index] = replace(tensors[index], shape=(batch, 1, height * width, channels))
    return replace(graph, tensors=tensors)


def pad_extents(op: Pad, graph: Graph) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
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
