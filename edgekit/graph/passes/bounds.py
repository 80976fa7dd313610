"""Between which values every element of every activation lies, whatever the model's inputs are.

Interval arithmetic, element by element, so that borders (where padding stands in for inputs) have bounds of
their own. It is exact a layer: a sum of products is smallest where every factor with a positive weight is at
its lower bound and every other at its upper one, and requantization, rounding and clamps never reverse an
order. Where int32 could wrap around, which does reverse it, the bounds are those of the clamp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.graph import arithmetic
from edgekit.graph.executor import run_op, shifted
from edgekit.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Int8Array,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Requantization,
    Reshape,
    Softmax,
    Window,
)

Sums = NDArray[np.int64]


@dataclass(frozen=True)
class Bounds:
    """``low <= value <= high`` for each element; both int8 of the activation's shape."""

    low: Int8Array
    high: Int8Array

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which elements can have one value only."""
        constant: NDArray[np.bool_] = self.low == self.high
        return constant


def graph_bounds(graph: Graph) -> Mapping[int, Bounds]:
    """The bounds of every activation by tensor index; the model's inputs may be anything."""
    bounds = {index: _anything(graph.tensors[index].shape) for index in graph.inputs}
    for op in graph.ops:
        found = op_bounds(op, [bounds[index] for index in op.inputs], graph)
        shape = graph.tensors[op.output].shape
        bounds[op.output] = Bounds(found.low.reshape(shape), found.high.reshape(shape))
    return bounds


@singledispatch
def op_bounds(op: Op, inputs: list[Bounds], graph: Graph) -> Bounds:
    """The bounds of what ``op`` writes where its inputs lie within ``inputs``."""
    raise TypeError(f"{type(op).__name__} has no bounds")


@op_bounds.register
def _in_order(
    op: Add | AveragePool2D | MaxPool2D | Pad | Reshape, inputs: list[Bounds], graph: Graph
) -> Bounds:
    """Of operators that never reverse an order and cannot wrap around."""
    return _of_ends(op, inputs, graph)


def _of_ends(op: Op, inputs: list[Bounds], graph: Graph) -> Bounds:
    """What ``op`` makes of both ends."""
    low = run_op(op, [bounds.low for bounds in inputs], graph)
    high = run_op(op, [bounds.high for bounds in inputs], graph)
    return Bounds(low, high)


@op_bounds.register
def _conv_2d(op: Conv2D, inputs: list[Bounds], graph: Graph) -> Bounds:
    lowest, highest = _product_ranges(op, inputs[0], graph)
    return _requantized(op, lowest + op.bias, highest + op.bias)


@op_bounds.register
def _depthwise_conv_2d(op: DepthwiseConv2D, inputs: list[Bounds], graph: Graph) -> Bounds:
    lowest, highest = _product_ranges(op, inputs[0], graph)
    return _requantized(op, lowest + op.bias, highest + op.bias)


@op_bounds.register
def _fully_connected(op: FullyConnected, inputs: list[Bounds], graph: Graph) -> Bounds:
    weights = op.filter.astype(np.int64).T - op.filter_zero_point
    low, high = (
        values.reshape(-1, len(weights)).astype(np.int64) - op.input_zero_point
        for values in (inputs[0].low, inputs[0].high)
    )
    lowest, highest = _combined(low, high, weights, np.matmul)
    return _requantized(op, lowest + op.bias, highest + op.bias)


@op_bounds.register
def _mean(op: Mean, inputs: list[Bounds], graph: Graph) -> Bounds:
    _, height, width, _ = inputs[0].low.shape
    lowest, highest = (
        values.sum(axis=(1, 2), dtype=np.int64) - op.input_zero_point * height * width
        for values in (inputs[0].low, inputs[0].high)
    )
    return _factored(lowest, highest, op.requantization, op.output_zero_point, -128, 127)


@op_bounds.register
def _softmax(op: Softmax, inputs: list[Bounds], graph: Graph) -> Bounds:
    if inputs[0].constant.all():
        return _of_ends(op, inputs, graph)
    return _anything(inputs[0].low.shape)


def filter_sums(
    op: Conv2D | DepthwiseConv2D, source: NDArray[Any], weights: NDArray[Any], graph: Graph
) -> Sums:
    """The sums of products of one image (1, H, W, C) of differences to the zero point, without bias.

    ``weights`` are in the layout of ``op.filter``; they may be for other channels. Exact up to 2**53.
    """
    _, rows, columns, _ = graph.tensors[op.output].shape
    depthwise = isinstance(op, DepthwiseConv2D)
    dtype = _exact_dtype(source, weights, channel_axis=3 if depthwise else 0)
    padded, weights = _padded(source.astype(dtype), op.window), weights.astype(dtype)
    if isinstance(op, DepthwiseConv2D):
        padded = np.repeat(padded, op.depth_multiplier, axis=3)
    total = np.zeros((1, rows, columns, weights.shape[3 if depthwise else 0]), dtype)
    for y in range(op.window.height):
        for x in range(op.window.width):
            taken = shifted(padded, op.window, y, x, rows, columns)
            total += taken * weights[0, y, x] if depthwise else taken @ weights[:, y, x].T
    return total.astype(np.int64)


def _exact_dtype(
    source: NDArray[Any], weights: NDArray[Any], channel_axis: int
) -> type[np.float32] | type[np.float64]:
    """The float type that holds every sum of some of the products exactly."""
    others = tuple(axis for axis in range(weights.ndim) if axis != channel_axis)
    largest = int(np.abs(source).max(initial=0)) * int(np.abs(weights).sum(axis=others).max(initial=0))
    return np.float32 if largest < 2**24 else np.float64


def _padded(source: NDArray[Any], window: Window) -> NDArray[Any]:
    sides = ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    return np.pad(source, sides)


_Product: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


def _product_ranges(op: Conv2D | DepthwiseConv2D, source: Bounds, graph: Graph) -> tuple[Sums, Sums]:
    """The smallest and largest sum of products of every output element."""
    low, high = (values.astype(np.int64) - op.input_zero_point for values in (source.low, source.high))
    filter_ = op.filter.astype(np.int64)
    return _combined(low, high, filter_, lambda values, weights: filter_sums(op, values, weights, graph))


def _combined(
    low: NDArray[Any], high: NDArray[Any], weights: NDArray[Any], product: _Product
) -> tuple[Sums, Sums]:
    """Both ends of ``product(values, weights)``, which is a sum of products, for values in [low, high].

    The middle of the values leads to the middle of the sums, and every weight widens them to both sides.
    """
    twice_middle = product(low + high, weights).astype(np.int64)
    width = product(high - low, np.abs(weights)).astype(np.int64)
    return (twice_middle - width) // 2, (twice_middle + width) // 2


def _requantized(op: Conv2D | DepthwiseConv2D | FullyConnected, lowest: Sums, highest: Sums) -> Bounds:
    return _factored(
        lowest, highest, op.requantization, op.output_zero_point, op.activation_min, op.activation_max
    )


def _factored(
    lowest: Sums, highest: Sums, factor: Requantization, zero_point: int, minimum: int, maximum: int
) -> Bounds:
    """Bounds after requantization, zero point and clamp of accumulators in [lowest, highest]."""
    ends = [_requantize_unless_wrapping(sums, factor, zero_point) for sums in (lowest, highest)]
    wraps = ends[0][1] | ends[1][1]
    low = np.where(wraps, -128, ends[0][0])
    high = np.where(wraps, 127, ends[1][0])
    low, high = (np.clip(values, minimum, maximum).astype(np.int8) for values in (low, high))
    return Bounds(low, high)


def _requantize_unless_wrapping(
    sums: Sums, factor: Requantization, zero_point: int
) -> tuple[Sums, NDArray[np.bool_]]:
    """The requantized ``sums`` plus ``zero_point``, and where int32 would have wrapped around on the way."""
    accumulator = sums.astype(np.int32)
    exact = accumulator.astype(np.int64) << np.maximum(factor.shift, 0)
    wraps = (accumulator != sums) | (exact != exact.astype(np.int32))
    scaled = arithmetic.multiply_by_quantized_multiplier(accumulator, factor.multiplier, factor.shift).astype(
        np.int64
    )
    scaled += zero_point
    return scaled, wraps | (scaled != scaled.astype(np.int32))


def _anything(shape: tuple[int, ...]) -> Bounds:
    return Bounds(np.full(shape, -128, np.int8), np.full(shape, 127, np.int8))
