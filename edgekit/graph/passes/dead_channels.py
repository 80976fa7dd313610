"""Removes channels that can be computed ahead of time, or that nobody reads; changes no byte of any output.

A channel that has one value whatever the model's inputs are (:mod:`~edgekit.graph.passes.bounds`) adds the
same to every sum of the convolution that reads it: that goes into the bias, and the channel vanishes with its
filter, its arithmetic and its bytes. Sums and biases count modulo 2**32 in every kernel, so no bias is too
large for that. Where padding stands in for the channel at the borders, the sums differ there: the channel can
vanish only if its value is the zero point, or if the filters do not tell.

A channel that is read with weights of 0 alone vanishes, too, and so does, step by step towards the inputs,
whatever only such channels read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, Op, Requantization
from edgekit.graph.passes.bounds import Bounds, filter_sums, graph_bounds
from edgekit.graph.passes.channel_groups import ChannelGroups, Flags, Indices, channel_groups, columns_of

CHANNEL_MULTIPLE = 4
"""Kernels take four channels at a time, a word, and words should lie at multiples of 4 bytes."""

Mixing: TypeAlias = Conv2D | FullyConnected


def remove_dead_channels(graph: Graph, multiple: int = CHANNEL_MULTIPLE) -> Graph:
    """``graph`` without channels that are constant or unread. Each tensor keeps at least one.

    Of the channels that could vanish, so many stay that a tensor's number of channels is a multiple of
    ``multiple``, or what it was. Operators, and tensors other than in shape, stay what they are.
    """
    analysis = _Analysis(graph, graph_bounds(graph), channel_groups(graph))
    kept = np.zeros_like(analysis.groups.pinned)
    while True:
        removed = _removable(analysis, kept)
        wanted = _missing(analysis.groups, removed, multiple)
        if not wanted:
            break
        kept[wanted] = True
    return _without(analysis, removed) if removed.any() else graph


@dataclass(frozen=True)
class _Analysis:
    graph: Graph
    bounds: Mapping[int, Bounds]
    groups: ChannelGroups

    def read(self, op: Mixing) -> Indices:
        """The groups of the channels that ``op`` reads."""
        return self.groups.of[columns_of(op) if isinstance(op, FullyConnected) else op.inputs[0]]


def _removable(analysis: _Analysis, kept: Flags) -> Flags:
    """Which groups can vanish, with those ``kept`` that shall not: a fixed point, because a channel may be
    read by nobody as soon as others have vanished.
    """
    removed = np.zeros_like(kept)
    while True:
        candidates = ~(analysis.groups.pinned | kept)
        for op in analysis.graph.ops:
            if isinstance(op, Conv2D | FullyConnected):
                groups = analysis.read(op)
                open_question = candidates[groups] & ~removed[groups]
                alive = ~removed[analysis.groups.of[op.output]]
                foldable = _foldable(analysis, op, alive, open_question)
                candidates[groups[open_question & ~foldable]] = False
        if np.array_equal(candidates, removed):
            return removed
        removed = candidates


def _foldable(analysis: _Analysis, op: Mixing, alive: Flags, asked: Flags) -> Flags:
    """Which of the channels ``asked`` add the same to every sum of each output channel that is ``alive``."""
    weights = _weights(op)[alive]
    source = _rows(analysis.bounds[op.inputs[0]], op)
    across = tuple(range(source.low.ndim - 1))
    constant = source.constant.all(axis=across)
    uniform = (source.low == _first(source.low)).all(axis=across)
    neutral = _first(source.low) == op.input_zero_point
    padded = isinstance(op, Conv2D) and _is_padded(op)
    foldable = ~weights.any(axis=tuple(range(weights.ndim - 1)))
    foldable |= constant & uniform & (neutral if padded else True)
    if isinstance(op, Conv2D):
        for channel in np.flatnonzero(asked & constant & ~foldable):
            only = slice(channel, channel + 1)
            differences = source.low[..., only].astype(np.int64) - op.input_zero_point
            sums = filter_sums(op, differences, weights[..., only], analysis.graph)
            foldable[channel] = (sums == sums[:, :1, :1]).all()
    return np.asarray(foldable)


def _weights(op: Mixing) -> NDArray[np.int64]:
    """The factors of the input's differences to its zero point."""
    zero_point = op.filter_zero_point if isinstance(op, FullyConnected) else 0
    return op.filter.astype(np.int64) - zero_point


def _rows(bounds: Bounds, op: Mixing) -> Bounds:
    """``bounds`` as ``op`` reads them: a FULLY_CONNECTED in rows as long as its filter's."""
    if isinstance(op, Conv2D):
        return bounds
    depth = op.filter.shape[1]
    return Bounds(bounds.low.reshape(-1, depth), bounds.high.reshape(-1, depth))


def _first(values: NDArray[Any]) -> NDArray[Any]:
    """The channels of the first element."""
    first: NDArray[Any] = values[(0,) * (values.ndim - 1)]
    return first


def _is_padded(op: Conv2D) -> bool:
    window = op.window
    return any((window.pad_top, window.pad_bottom, window.pad_left, window.pad_right))


def _missing(groups: ChannelGroups, removed: Flags, multiple: int) -> list[int]:
    """Groups of which one tensor needs so many back that it has channels, and a multiple of them."""
    for channels in groups.of.values():
        gone = removed[channels]
        alive = int(np.count_nonzero(~gone))
        if gone.any() and (alive == 0 or alive % multiple):
            return [int(group) for group in channels[gone][: multiple - alive % multiple]]
    return []


def _without(analysis: _Analysis, removed: Flags) -> Graph:
    """The graph without the ``removed`` groups."""
    graph = analysis.graph
    alive = {index: ~removed[groups] for index, groups in analysis.groups.of.items()}
    tensors = {
        index: replace(tensor, shape=(*tensor.shape[:-1], int(alive[index].sum())))
        if tensor.shape
        else tensor
        for index, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors, ops=tuple(_narrowed(analysis, op, alive) for op in graph.ops))


def _narrowed(analysis: _Analysis, op: Op, alive: Mapping[int, Flags]) -> Op:
    """``op`` on the channels that are left."""
    if isinstance(op, DepthwiseConv2D):
        outputs = alive[op.output]
        return replace(
            op,
            filter=np.ascontiguousarray(op.filter[..., outputs]),
            bias=op.bias[outputs],
            requantization=_of_channels(op.requantization, outputs),
        )
    if not isinstance(op, Conv2D | FullyConnected):
        return op
    outputs = alive[op.output]
    inputs = alive[columns_of(op) if isinstance(op, FullyConnected) else op.inputs[0]]
    bias = op.bias[outputs] + _constant_sums(analysis, op, outputs, ~inputs)
    return replace(
        op,
        filter=np.ascontiguousarray(op.filter[outputs][..., inputs]),
        bias=bias.astype(np.int32),  # wraps around, as the sums do that it is added to
        requantization=_of_channels(op.requantization, outputs),
    )


def _constant_sums(analysis: _Analysis, op: Mixing, outputs: Flags, folded: Flags) -> NDArray[np.int64]:
    """What the channels ``folded`` add to each of the ``outputs``."""
    source = _rows(analysis.bounds[op.inputs[0]], op)
    values = source.low[..., folded].astype(np.int64) - op.input_zero_point
    # Those that can have several values are folded because nobody reads them.
    differences = np.where(source.constant[..., folded], values, 0)
    weights = _weights(op)[outputs][..., folded]
    if isinstance(op, FullyConnected):
        return np.asarray(weights @ differences[0])
    return _first(filter_sums(op, differences, weights, analysis.graph))


def _of_channels(factors: Requantization, channels: Flags) -> Requantization:
    if factors.multiplier.size == 1:
        return factors
    return Requantization(factors.multiplier[channels], factors.shift[channels])
