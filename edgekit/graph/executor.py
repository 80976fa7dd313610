"""Runs a graph in NumPy, equal to TensorFlow Lite Micro on every byte of every layer.

One function an operator, registered with :func:`_run`. Sums of int8 products are formed in floating
point, because BLAS is fast there, and stay exact: float32 holds every integer up to 2**24, float64 up
to 2**53, and :func:`_exact_dtype` proves which of them a filter needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgekit.graph import arithmetic
from edgekit.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Int8Array,
    Int32Array,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Requantization,
    Reshape,
    Softmax,
    Window,
)

# Elements that one pass works on, so that memory stays bounded for any batch. Measured on the MLPerf
# Tiny models: 2**18 to 2**20 run equally fast, 2**22 takes twice the time (cache misses).
_BLOCK_ELEMENTS = 2**18
_INT8_SPAN = 255


def execute(graph: Graph, inputs: Sequence[Int8Array]) -> list[Int8Array]:
    """The graph's outputs for a batch: each input and output is int8 of shape (N, *tensor.shape[1:]).

    Raises ValueError where the inputs do not match the graph's.
    """
    values = _execute_in_chunks(graph, inputs, graph.outputs)
    return [values[index] for index in graph.outputs]


def execute_all(graph: Graph, inputs: Sequence[Int8Array]) -> dict[int, Int8Array]:
    """Every activation, by tensor index, for a batch as in :func:`execute`; inputs included."""
    return _execute_in_chunks(graph, inputs, tuple(graph.tensors))


def _execute_in_chunks(
    graph: Graph, inputs: Sequence[Int8Array], keep: Sequence[int]
) -> dict[int, Int8Array]:
    """The tensors ``keep``, computed for as many images at a time as fit a block."""
    count = _batch(graph, inputs)
    step = max(1, _BLOCK_ELEMENTS // max(tensor.size_bytes for tensor in graph.tensors.values()))
    chunks = [
        _execute(graph, [array[start : start + step] for array in inputs], keep)
        for start in range(0, count, step)
    ]
    return {index: np.concatenate([chunk[index] for chunk in chunks]) for index in keep}


def _batch(graph: Graph, inputs: Sequence[Int8Array]) -> int:
    """N, the first dimension of every input, at least 1."""
    shapes = [graph.tensors[index].shape for index in graph.inputs]
    if len(inputs) != len(shapes):
        raise ValueError(f"{graph.name} has {len(shapes)} inputs, {len(inputs)} were given")
    count = max(len(inputs[0]), 1)
    for array, shape in zip(inputs, shapes, strict=True):
        if array.dtype != np.int8 or array.shape != (count, *shape[1:]):
            raise ValueError(
                f"an input of {graph.name} must be int8 of shape (N, {', '.join(map(str, shape[1:]))}), "
                f"not {array.dtype} of shape {array.shape}"
            )
    return count


def _execute(graph: Graph, inputs: Sequence[Int8Array], keep: Sequence[int]) -> dict[int, Int8Array]:
    """Runs all operators, dropping a tensor after its last use unless it is in ``keep``."""
    values = dict(zip(graph.inputs, inputs, strict=True))
    last_use = {tensor: op.index for op in graph.ops for tensor in op.inputs}
    kept = set(keep)
    for op in graph.ops:
        values[op.output] = _run(op, [values[index] for index in op.inputs], graph)
        for index in {*op.inputs, op.output}:
            if last_use.get(index, op.index) == op.index and index not in kept:
                del values[index]
    return {index: values[index] for index in keep}


def run_op(op: Op, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    """The output of ``op`` alone, where its inputs have the values ``inputs``: all of their own shapes."""
    return _run(op, inputs, graph)


@singledispatch
def _run(op: Op, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    """The output of ``op``: (N, *shape[1:]) like its inputs."""
    raise TypeError(f"{type(op).__name__} has no NumPy implementation")


@_run.register
def _conv_2d(op: Conv2D, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    channels, *_ = op.filter.shape
    dtype = _exact_dtype(op.filter.reshape(channels, -1))
    weights = op.filter.reshape(channels, -1).T.astype(dtype)
    windows = _windows(_centred(inputs[0], op.input_zero_point, op.window, dtype), op.window)
    count, rows, columns = windows.shape[:3]
    output = np.empty((count, rows, columns, channels), dtype=np.int8)
    for block in _row_blocks(rows, count * columns * weights.shape[0]):
        patches = windows[:, block].reshape(-1, weights.shape[0])
        output[:, block] = _requantize(patches @ weights, op).reshape(output[:, block].shape)
    return output


@_run.register
def _depthwise_conv_2d(op: DepthwiseConv2D, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    _, height, width, channels = op.filter.shape
    dtype = _exact_dtype(op.filter.reshape(-1, channels).T)
    source = _centred(inputs[0], op.input_zero_point, op.window, dtype)
    if op.depth_multiplier > 1:
        source = np.repeat(source, op.depth_multiplier, axis=3)
    _, rows, columns, _ = graph.tensors[op.output].shape
    total = np.zeros((len(source), rows, columns, channels), dtype=dtype)
    product = np.empty_like(total)
    weights = op.filter[0].astype(dtype)
    for y in range(height):
        for x in range(width):
            total += np.multiply(shifted(source, op.window, y, x, rows, columns), weights[y, x], out=product)
    return _requantize(total, op)


@_run.register
def _fully_connected(op: FullyConnected, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    weights = op.filter.astype(np.int16) - op.filter_zero_point
    dtype = _exact_dtype(weights)
    rows = inputs[0].reshape(-1, weights.shape[1])
    differences = np.subtract(rows, op.input_zero_point, dtype=dtype, casting="unsafe")
    outputs = _requantize(differences @ weights.T.astype(dtype), op)
    return outputs.reshape(-1, *graph.tensors[op.output].shape[1:])


@_run.register
def _add(op: Add, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    first, second = (
        _scaled_inputs(op, zero_point, requantization)[array.view(np.uint8)]
        for array, zero_point, requantization in zip(
            inputs, op.input_zero_points, op.input_requantizations, strict=True
        )
    )
    total = _multiply(first + second, op.output_requantization)
    return _clamped(total + np.int32(op.output_zero_point), op.activation_min, op.activation_max)


@_run.register
def _average_pool_2d(op: AveragePool2D, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    source = inputs[0].astype(np.int32)
    total = _pooled(source, op.window, np.add, 0)
    inside = _pooled(np.ones_like(source[:1, :, :, :1]), op.window, np.add, 0)
    average = arithmetic.rounded_average(total, inside)
    return _clamped(average, op.activation_min, op.activation_max)


@_run.register
def _max_pool_2d(op: MaxPool2D, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    maximum = _pooled(inputs[0], op.window, np.maximum, -128)
    return _clamped(maximum, op.activation_min, op.activation_max)


@_run.register
def _mean(op: Mean, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    total = inputs[0].sum(axis=(1, 2), dtype=np.int32)
    total -= op.input_zero_point * inputs[0].shape[1] * inputs[0].shape[2]
    mean = _multiply(total, op.requantization) + np.int32(op.output_zero_point)
    return _clamped(mean, -128, 127).reshape(-1, *graph.tensors[op.output].shape[1:])


@_run.register
def _pad(op: Pad, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    return np.pad(inputs[0], tuple(zip(op.before, op.after, strict=True)), constant_values=op.value)


@_run.register
def _reshape(op: Reshape, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    return inputs[0].reshape(-1, *graph.tensors[op.output].shape[1:])


@_run.register
def _softmax(op: Softmax, inputs: Sequence[Int8Array], graph: Graph) -> Int8Array:
    exponentials = arithmetic.softmax_exponentials(op.multiplier, op.left_shift, op.diff_min)
    # The last axis of a single image: where a tensor has no other, the last of the batch is the batch.
    values = inputs[0].reshape(-1, graph.tensors[op.output].shape[-1]).astype(np.int32)
    differences = values.max(axis=-1, keepdims=True) - values
    return arithmetic.softmax_probabilities(exponentials[differences]).reshape(inputs[0].shape)


def _exact_dtype(filter_rows: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """The float type that holds every partial sum of a row's products with int8 differences.

    |sum| <= 255 · Σ|w| for whatever order BLAS adds in; ``filter_rows`` is (output channels, taps).
    """
    largest = int(np.abs(filter_rows.astype(np.int64)).sum(axis=1).max()) * _INT8_SPAN
    return np.float32 if largest < 2**24 else np.float64


def _centred(source: Int8Array, zero_point: int, window: Window, dtype: type[Any]) -> NDArray[Any]:
    """The differences source - zero_point as ``dtype``, with the window's padding as zeros around H and W."""
    count, height, width, channels = source.shape
    shape = (
        count,
        window.pad_top + height + window.pad_bottom,
        window.pad_left + width + window.pad_right,
        channels,
    )
    padded = np.zeros(shape, dtype=dtype)
    inner = padded[:, window.pad_top :, window.pad_left :][:, :height, :width]
    np.subtract(source, zero_point, out=inner, dtype=dtype, casting="unsafe")
    return padded


def _windows(padded: NDArray[Any], window: Window) -> NDArray[Any]:
    """A view (N, rows, columns, window height, window width, C) of all window positions."""
    covered = (
        (window.height - 1) * window.dilation_height + 1,
        (window.width - 1) * window.dilation_width + 1,
    )
    view = sliding_window_view(padded, covered, axis=(1, 2))
    strided = view[:, :: window.stride_height, :: window.stride_width]
    taps = strided[..., :: window.dilation_height, :: window.dilation_width]
    return np.moveaxis(taps, 3, 5)


def shifted(source: NDArray[Any], window: Window, y: int, x: int, rows: int, columns: int) -> NDArray[Any]:
    """The elements that tap (y, x) meets: (N, rows, columns, C)."""
    return source[
        :,
        _steps(y * window.dilation_height, rows, window.stride_height),
        _steps(x * window.dilation_width, columns, window.stride_width),
    ]


def _steps(start: int, count: int, stride: int) -> slice:
    return slice(start, start + (count - 1) * stride + 1, stride)


def _row_blocks(rows: int, elements_per_row: int) -> Iterator[slice]:
    step = max(1, _BLOCK_ELEMENTS // elements_per_row)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _pooled(source: NDArray[Any], window: Window, combine: np.ufunc, neutral: int) -> NDArray[Any]:
    """``combine`` over each window, rows first and then columns; ``neutral`` fills the padding."""
    sides = ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0))
    padded = np.pad(source, sides, constant_values=neutral)
    rows = (padded.shape[1] - window.height) // window.stride_height + 1
    columns = (padded.shape[2] - window.width) // window.stride_width + 1
    down = padded[:, _steps(0, rows, window.stride_height)].copy()
    for y in range(1, window.height):
        combine(down, padded[:, _steps(y, rows, window.stride_height)], out=down)
    across = down[:, :, _steps(0, columns, window.stride_width)].copy()
    for x in range(1, window.width):
        combine(across, down[:, :, _steps(x, columns, window.stride_width)], out=across)
    return across


def _scaled_inputs(op: Add, zero_point: int, requantization: Requantization) -> Int32Array:
    """An input of ADD at the common scale, for the bytes 0 to 255 read as uint8; shape (256,)."""
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int32)
    return _multiply(arithmetic.shift_left_wrapping(values - zero_point, op.left_shift), requantization)


def _requantize(sums: NDArray[Any], op: Conv2D | DepthwiseConv2D | FullyConnected) -> Int8Array:
    """Outputs from exact sums (…, channels) without bias; the bias is added in int32, wrapping around."""
    accumulator = (sums.astype(np.int64) + op.bias).astype(np.int32)
    scaled = _multiply(accumulator, op.requantization)
    scaled += np.int32(op.output_zero_point)
    return _clamped(scaled, op.activation_min, op.activation_max)


def _multiply(values: Int32Array, requantization: Requantization) -> Int32Array:
    return arithmetic.multiply_by_quantized_multiplier(
        values, requantization.multiplier, requantization.shift
    )


def _clamped(values: NDArray[Any], lower: int, upper: int) -> Int8Array:
    clamped: Int8Array = np.clip(values, lower, upper).astype(np.int8)
    return clamped
