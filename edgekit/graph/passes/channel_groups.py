"""Which channels can only vanish together: those that no operator in between mixes.

A channel is an index of the last axis. CONV_2D and FULLY_CONNECTED mix their input's channels, so what they
read and what they write are apart; a depthwise convolution, a pool or an ADD leads each channel on, so that
the channels before and after it are one group. SOFTMAX and the model's border pin theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import gcd

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.ir import (
    Add,
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
)

Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ChannelGroups:
    """``of`` maps a tensor's index to the group of each of its channels, and :func:`columns_of` an operator
    to that of each column of its filter. ``pinned`` says of each group whether it has to stay.
    """

    of: Mapping[int, Indices]
    pinned: Flags


def columns_of(op: FullyConnected) -> int:
    """The key of what a FULLY_CONNECTED reads: its input as rows as long as its filter's."""
    return -1 - op.index  # no tensor has a negative index


def channel_groups(graph: Graph) -> ChannelGroups:
    """The groups of ``graph``. Ends of edges between channels that stay together get the same number."""
    widths = {index: _width(tensor.shape) for index, tensor in graph.tensors.items()}
    widths |= {columns_of(op): op.filter.shape[1] for op in graph.ops if isinstance(op, FullyConnected)}
    starts = dict(zip(widths, np.cumsum([0, *widths.values()])[:-1], strict=True))
    edges = [
        (starts[first] + one, starts[second] + other)
        for op in graph.ops
        for first, one, second, other in _links(op, widths)
    ]
    numbers = _components(sum(widths.values()), edges)
    of = {index: numbers[starts[index] :][:width] for index, width in widths.items()}
    pinned = np.zeros(numbers.max() + 1, dtype=bool)
    scalars = [index for index, tensor in graph.tensors.items() if not tensor.shape]
    mixed = [index for op in graph.ops if _mixes_all(op) for index in (*op.inputs, op.output)]
    for index in (*graph.inputs, *graph.outputs, *scalars, *mixed):
        pinned[of[index]] = True
    return ChannelGroups(of, pinned)


_Link = tuple[int, Indices, int, Indices]
"""Channels of one tensor, and the channels of another that they belong to, pair by pair."""


@singledispatch
def _links(op: Op, widths: Mapping[int, int]) -> Iterator[_Link]:
    """The pairs of channels that ``op`` leads on."""
    yield from ()


@_links.register
def _depthwise(op: DepthwiseConv2D, widths: Mapping[int, int]) -> Iterator[_Link]:
    outputs = np.arange(widths[op.output])
    yield op.inputs[0], outputs // op.depth_multiplier, op.output, outputs


@_links.register
def _one_to_one(
    op: Add | AveragePool2D | MaxPool2D | Mean | Pad, widths: Mapping[int, int]
) -> Iterator[_Link]:
    if _mixes_all(op):
        return
    channels = np.arange(widths[op.output])
    for index in op.inputs:
        yield index, channels, op.output, channels


@_links.register
def _reshape(op: Reshape, widths: Mapping[int, int]) -> Iterator[_Link]:
    yield from _flattened(op.inputs[0], op.output, widths)


@_links.register
def _fully_connected(op: FullyConnected, widths: Mapping[int, int]) -> Iterator[_Link]:
    yield from _flattened(op.inputs[0], columns_of(op), widths)


def _flattened(first: int, second: int, widths: Mapping[int, int]) -> Iterator[_Link]:
    """The same bytes in rows of two lengths: byte n is in channel n % length of either."""
    lengths = widths[first], widths[second]
    common = gcd(*lengths)
    for index, length in zip((first, second), lengths, strict=True):
        channels = np.arange(length)
        yield index, channels, first, channels % common


def _mixes_all(op: Op) -> bool:
    """Whether no channel of what ``op`` reads or writes can be left out."""
    if isinstance(op, Pad):  # along the last axis: channels that nobody computes
        return not op.before or op.before[-1] > 0 or op.after[-1] > 0
    handled = (Conv2D, FullyConnected, Reshape, DepthwiseConv2D, Add, AveragePool2D, MaxPool2D, Mean)
    return not isinstance(op, handled)


def _width(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1


def _components(count: int, edges: list[tuple[Indices, Indices]]) -> Indices:
    """Numbers 0, 1, … of the connected components of a graph of ``count`` nodes."""
    labels = np.arange(count)
    if edges:
        one, other = (np.concatenate(ends) for ends in zip(*edges, strict=True))
        before = np.full_like(labels, -1)
        while not np.array_equal(labels, before):
            before = labels.copy()
            smaller = np.minimum(labels[one], labels[other])
            np.minimum.at(labels, one, smaller)
            np.minimum.at(labels, other, smaller)
    return np.unique(labels, return_inverse=True)[1]
