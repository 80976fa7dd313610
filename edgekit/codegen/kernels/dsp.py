"""Kernels for the DSP instructions of Armv7E-M and Armv8-M (Cortex-M4, M7, M33): firmware/kernels/dsp/."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels import portable
from edgekit.codegen.kernels.addition import linear_add_call
from edgekit.codegen.kernels.dsp_work import depthwise_windows_work
from edgekit.codegen.kernels.geometry import outside_value, row_shape, sees_columns, window_struct
from edgekit.codegen.kernels.requantization.one_factor import one_factor
from edgekit.codegen.kernels.requantization.staircase import (
    Int64Array,
    Staircase,
    Weighted,
    raw_bias,
    staircase,
    sum_bounds,
)
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    array,
    check_ranges,
    dims,
    int8,
    struct,
    uint16,
    uint32,
)
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
    Requantization,
)

_HEADER = "edgekit/ek_kernels_dsp.h"
_FOLDER = "kernels/dsp"
_QUAD = 4
_PAIRS = 2  # of a quad
_QUAD_BYTES = 24  # of the elements of three pixels
_PIXELS = 3
_SHALLOW_DEPTH = 8  # input channels
_STRIP_PIXELS = 12  # of shallow convolutions
_MAX_ADDED = 256  # int8 of which the sum has 16 bits
_MOST_AVERAGED = 255  # the sums that are made one less are those of int16
_STEP = 8  # inputs of fully connected layers
_COLUMNS_BYTES = 88  # scratch of 3x3 depthwise convolutions
_STRIP_BYTES = 1024  # of the columns of others, if a window has no more
_LADDER = 16  # steps of four words
# Sums of the channel in the upper half of the weights have 24 bits.
_UPPER_LIMIT = 1 << 23
_UPPER_UNIT_BITS, _LOWER_UNIT_BITS = 24, 32
_MAX_RIGHT_SHIFT = 22
# The exact kernel doubles sums.
_EXACT_LIMIT = 1 << 30
_WORD_MASK = (1 << 32) - 1
_WORD_BYTES = 4


def kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """How ``op`` runs with DSP instructions; None where these kernels cannot run it.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    call = _call(op, graph)
    if call is not None:
        check_ranges(op, call.params)
    return call


def accumulate_call(graph: Graph, op: AveragePool2D | Mean) -> KernelCall | None:
    """Takes up a row of the image in the sums of its channels; None where these kernels cannot."""
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    if channels < _QUAD or width > _MAX_ADDED:
        return None
    return portable.taken_over(portable.accumulate_call(graph, op), "dsp", _HEADER)


@singledispatch
def _call(op: Op, graph: Graph) -> KernelCall | None:
    return None


@_call.register
def _conv_2d(op: Conv2D, graph: Graph) -> KernelCall | None:
    return _shallow_conv_2d(op, graph) or _tiled_conv_2d(op, graph)


def _shallow_conv_2d(op: Conv2D, graph: Graph) -> KernelCall | None:
    """For few channels: pixels are spread once and filters stay in registers."""
    width, filters = graph.tensors[op.output].shape[2:]
    shape = (*op.filter.shape[1:], op.window.stride_width, graph.tensors[op.inputs[0]].shape[2:])
    if shape != (1, 1, _SHALLOW_DEPTH, 1, (width, _SHALLOW_DEPTH)):
        return None
    weights = op.filter.reshape(filters, -1).astype(np.int64)
    stage = _stage(op, weights, np.arange(filters), np.full(filters, _LOWER_UNIT_BITS))
    if stage is None or stage.is_exact:
        return None
    quads = stage.weights.reshape(filters, -1, 2, 2)
    words = _halfwords(quads[:, :, 0], quads[:, :, 1]).reshape(filters, -1)
    stream = np.column_stack([stage.constants, stage.bias, words])
    strips = -(-width // _STRIP_PIXELS)
    return KernelCall(
        "ek_dsp_shallow_conv_2d_s8",
        f"{_FOLDER}/shallow_conv_2d.c",
        "ek_dsp_shallow_conv_2d",
        struct(
            width=uint32(width),
            channels=uint32(filters),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
            stream=ConstantArray(
                "weights", "uint32_t", (stream & _WORD_MASK).astype(np.uint32), f"{filters} filters of 8"
            ),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/shallow.S",),
        scratch_bytes=min(width, _STRIP_PIXELS) * 2 * _SHALLOW_DEPTH,
        row_work=(
            ("pixels", width),
            ("outputs", width * filters),
            ("strips", strips),
            ("strip_channels", strips * filters),
        ),
    )


def _tiled_conv_2d(op: Conv2D, graph: Graph) -> KernelCall | None:
    channels = graph.tensors[op.inputs[0]].shape[3]
    window = op.window
    is_dilated = window.dilation_width > 1 and window.width > 1
    if op.filter.shape[3] != channels or len(op.filter) < 2 or is_dilated:
        return None
    weights = _in_quads(op.filter)
    found = _stream(op, weights, bias_word=_PAIRS)
    if found is None:
        return None
    stream, is_exact = found
    quads = weights.shape[1] // _QUAD
    row_quads, row_rest = divmod(window.width * channels, _QUAD)
    tiles = _tiles(graph.tensors[op.output].shape[2])
    name = "conv_2d" + ("" if tiles[1] else "_of_threes") + ("_exact" if is_exact else "")
    hangs_over = window.pad_left > 0 or window.pad_right > 0
    seen_bytes = ((_PIXELS - 1) * window.stride_width + window.width) * channels
    return KernelCall(
        f"ek_dsp_{name}_s8",
        f"{_FOLDER}/conv_2d.c",
        "ek_dsp_conv_2d",
        struct(
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            window=window_struct(window),
            tiles=array(map(uint16, tiles)),
            entries=array(Integer("uint8_t", min(quads - 1, 1 + (quads - 2) % many)) for many in (8, 4)),
            row_quads=uint16(row_quads),
            quads=uint16(quads),
            row_rest=Integer("uint8_t", row_rest),
            input_zero_point=int8(op.input_zero_point),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
            stream=ConstantArray(
                "weights", "uint32_t", stream, f"{len(weights)} filters of {weights.shape[1]}, two at a time"
            ),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/expand.S", f"{_FOLDER}/tile.S"),
        scratch_bytes=quads * _QUAD_BYTES + (seen_bytes + -seen_bytes % _WORD_BYTES if hangs_over else 0),
        outside=outside_value(op),
        tile_pixels=_PIXELS,
        row_tiles=((_PIXELS, tiles[0]), (_PAIRS, tiles[1])),
    )


@_call.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    if graph.tensors[op.inputs[0]].shape[3] < _QUAD:
        return None
    return _depthwise_3x3(op, graph) or _depthwise_windows(op, graph)


def _depthwise_3x3(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    output_width = graph.tensors[op.output].shape[2]
    window = op.window
    is_usual = (window.height, window.width, window.dilation_width, op.depth_multiplier) == (3, 3, 1, 1)
    stride, left = window.stride_width, window.pad_left
    right = (output_width - 1) * stride + window.width - left - width
    if not is_usual or stride > 2 or left > 1 or right > 1:
        return None
    stage = _depthwise_stage(op, channels)
    if stage is None:
        return None
    name = ("strided_" if stride > 1 else "") + "depthwise_conv_2d" + ("_exact" if stage.is_exact else "")
    order = [0, 1, 2] if stride > 1 else [0, 2, 1]
    return KernelCall(
        f"ek_dsp_{name}_s8",
        f"{_FOLDER}/depthwise_conv_2d.c",
        "ek_dsp_depthwise_conv_2d",
        struct(
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            inner=uint16(output_width - (right > 0)),
            outside=Integer("uint8_t", left),
            input_zero_point=int8(op.input_zero_point),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
            stream=ConstantArray(
                "weights", "uint32_t", _depthwise_stream(stage, order), f"{channels} channels, four at a time"
            ),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/depthwise.S",),
        scratch_bytes=_COLUMNS_BYTES,
        outside=outside_value(op),
        tile_pixels=_PIXELS,
        channel_multiple=_QUAD,
    )


def _depthwise_windows(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    """For windows of any size, and more than one output channel of an input channel."""
    channels, output_width = graph.tensors[op.inputs[0]].shape[3], graph.tensors[op.output].shape[2]
    window = op.window if op.window.width > 1 else replace(op.window, dilation_width=1)
    is_dilated = window.dilation_width > 1
    if is_dilated and (window.stride_width > 1 or not sees_columns(op, graph)):
        return None
    stage = _depthwise_stage(op, channels)
    if stage is None:
        return None
    pairs = -(-window.height // 2)
    column_bytes = pairs * _QUAD * _WORD_BYTES
    most = max((_STRIP_BYTES // column_bytes - window.width) // window.stride_width + 1, 1)
    row = -(-output_width // window.dilation_width)  # the longest of those that share columns
    strip = -(-row // -(-row // most))
    name = "depthwise_windows" + ("_exact" if stage.is_exact else "")
    return KernelCall(
        f"ek_dsp_{name}_s8",
        f"{_FOLDER}/depthwise_windows.c",
        "ek_dsp_depthwise_windows",
        struct(
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            window=window_struct(window),
            depth_multiplier=uint16(op.depth_multiplier),
            strip=uint16(strip),
            entry=Integer("uint8_t", 1 + (pairs * window.width - 1) % _LADDER),
            input_zero_point=int8(op.input_zero_point),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
            stream=ConstantArray(
                "weights",
                "uint32_t",
                _windows_stream(stage, op),
                f"{len(stage.bias)} channels, four at a time",
            ),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/columns.S", f"{_FOLDER}/windows.S"),
        scratch_bytes=((strip - 1) * window.stride_width + window.width) * column_bytes,
        outside=outside_value(op),
        row_work=depthwise_windows_work(
            window,
            (graph.tensors[op.inputs[0]].shape[2], output_width),
            channels,
            op.depth_multiplier,
            strip,
        ),
    )


def _depthwise_stage(op: DepthwiseConv2D, channels: int) -> _Stage | None:
    """The stage of the output channels in the order of the streams, that of a channel being column by column:
    fours of input ``channels``, the last of which may overlap the one before; of each four the first output
    channels, then the second ones, and so on.
    """
    first = np.minimum(np.arange(0, channels, _QUAD), channels - _QUAD)
    multiplier = op.depth_multiplier
    inputs = first[:, None, None] + np.arange(_QUAD)
    order = (inputs * multiplier + np.arange(multiplier)[:, None]).reshape(-1)
    weights = op.filter[0].transpose(2, 1, 0).reshape(channels * multiplier, -1).astype(np.int64)
    return _stage(op, weights, order, np.full(order.shape, _LOWER_UNIT_BITS))


def _windows_stream(stage: _Stage, op: DepthwiseConv2D) -> NDArray[np.uint32]:
    """``ek_dsp_depthwise_windows.stream``."""
    height, width = op.window.height, op.window.width
    quads = len(stage.bias) // _QUAD
    taps = stage.weights.reshape(quads, _QUAD, width, height)
    uppers, lowers = taps[..., 0::2], np.zeros_like(taps[..., 0::2])
    lowers[..., : height // 2] = taps[..., 1::2]
    if height % 2:
        # What has no second row has the elements of the last two channels in its upper halves.
        lowers[:, 2:, :, -1], uppers[:, 2:, :, -1] = uppers[:, 2:, :, -1], 0
    words = _halfwords(uppers, lowers).transpose(0, 2, 3, 1).reshape(quads, -1)
    constants = stage.constants.reshape(quads, -1)
    stream = np.column_stack([stage.bias.reshape(quads, _QUAD), words, constants])
    return (stream & _WORD_MASK).astype(np.uint32)


def _depthwise_stream(stage: _Stage, order: list[int]) -> NDArray[np.uint32]:
    """``ek_dsp_depthwise_conv_2d.stream``, the columns of the window in that ``order``."""
    quads = len(stage.bias) // _QUAD
    taps = stage.weights.reshape(quads, _QUAD, 3, 3)[:, :, order]  # channels, columns, rows
    pairs = _halfwords(taps[..., 0], taps[..., 1])
    thirds = _halfwords(taps[:, :2, :, 2], taps[:, 2:, :, 2])
    words = np.concatenate([pairs, thirds], axis=1).transpose(0, 2, 1).reshape(quads, -1)
    constants = stage.constants.reshape(quads, -1)
    stream = np.column_stack([stage.bias.reshape(quads, _QUAD), words, constants])
    return (stream & _WORD_MASK).astype(np.uint32)


def _halfwords(lower: Int64Array, upper: Int64Array) -> Int64Array:
    """Words of two int16."""
    return (upper << 16) | (lower & 0xFFFF)


@_call.register
def _fully_connected(op: FullyConnected, graph: Graph) -> KernelCall | None:
    output_depth, input_depth = op.filter.shape
    if op.filter_zero_point != 0 or output_depth < 2:
        return None
    weights = np.pad(op.filter.astype(np.int64), ((0, 0), (0, -input_depth % _STEP)))
    found = _stream(op, weights, bias_word=0)
    if found is None:
        return None
    stream, is_exact = found
    name = "fully_connected_exact" if is_exact else "fully_connected"
    return KernelCall(
        f"ek_dsp_{name}_s8",
        f"{_FOLDER}/fully_connected.c",
        "ek_dsp_fully_connected",
        struct(
            input_depth=uint32(input_depth),
            output_depth=uint32(output_depth),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
            stream=ConstantArray(
                "weights", "uint32_t", stream, f"{dims(op.filter.shape)} weights, two outputs at a time"
            ),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/dot.S",),
        scratch_bytes=2 * weights.shape[1],
    )


@_call.register
def _max_pool_2d(op: MaxPool2D, graph: Graph) -> KernelCall | None:
    return _pool_2d(op, graph)


@_call.register
def _average_pool_2d(op: AveragePool2D, graph: Graph) -> KernelCall | None:
    return _pool_2d(op, graph) if op.window.height * op.window.width <= _MOST_AVERAGED else None


def _pool_2d(op: AveragePool2D | MaxPool2D, graph: Graph) -> KernelCall | None:
    """Four channels at a time, with the parameters of the portable kernel."""
    if graph.tensors[op.output].shape[3] % _QUAD != 0:
        return None
    return portable.taken_over(portable.kernel_call(graph, op), "dsp", _HEADER)


@_call.register
def _add(op: Add, graph: Graph) -> KernelCall | None:
    return linear_add_call(op, graph, "dsp", _HEADER)


def _tiles(width: int) -> tuple[int, int]:
    """How many tiles of three and of two pixels a row consists of, a single pixel being a tile of two."""
    if width == 1:
        return 0, 1
    twos = -width % 3
    return (width - 2 * twos) // 3, twos


def _in_quads(filters: NDArray[np.int8]) -> Int64Array:
    """OHWI weights as (O, elements): quads of each row of the window, and those of what the rows leave."""
    count, height = filters.shape[:2]
    rows = filters.reshape(count, height, -1).astype(np.int64)
    rest = rows.shape[2] % _QUAD
    quads = rows[:, :, : rows.shape[2] - rest].reshape(count, -1)
    rests = rows[:, :, rows.shape[2] - rest :].reshape(count, -1)
    rests = np.pad(rests, ((0, 0), (0, -rests.shape[1] % _QUAD)))
    # Words of them hold neighbours.
    rests = rests.reshape(count, -1, _QUAD)[:, :, [0, 2, 1, 3]].reshape(count, -1)
    return np.concatenate([quads, rests], axis=1)


def _stream(
    op: Conv2D | FullyConnected, weights: Int64Array, bias_word: int
) -> tuple[NDArray[np.uint32], bool] | None:
    """The stream of ``ek_dsp_conv_2d`` or ``ek_dsp_fully_connected``, with the biases before the word
    ``bias_word`` of the weights, and whether it is that of the exact kernel. None where numbers are too large
    for both.
    """
    lower = np.arange(0, len(weights), 2)
    lower[-1] = len(weights) - 2
    channels = np.column_stack([lower, lower + 1]).reshape(-1)
    is_upper = np.arange(len(channels)) % 2 == 1
    stage = _stage(op, weights, channels, np.where(is_upper, _UPPER_UNIT_BITS, _LOWER_UNIT_BITS))
    if stage is None or (stage.largest_sum[is_upper] >= _UPPER_LIMIT).any():
        return None
    b_weights, a_weights = stage.weights[~is_upper], stage.weights[is_upper]
    both = 256 * a_weights + b_weights
    if both.size and not -(2**15) <= both.min() <= both.max() < 2**15:
        return None
    # A word holds elements 0 and 2, or 1 and 3, of a quad.
    quads = both.reshape(len(both), -1, 2, 2)
    words = _halfwords(quads[:, :, 0], quads[:, :, 1]).reshape(len(both), -1)
    b_bias, a_bias = stage.bias[~is_upper], stage.bias[is_upper]
    b_constants, a_constants = stage.constants[~is_upper], stage.constants[is_upper]
    biases = np.column_stack([256 * a_bias + b_bias, b_bias])
    stream = np.column_stack([words[:, :bias_word], biases, words[:, bias_word:], b_constants, a_constants])
    return (stream & _WORD_MASK).astype(np.uint32), stage.is_exact


@dataclass(frozen=True)
class _Stage:
    """From sums to outputs, an entry an output channel: weights and biases to form sums with, and the
    constants of ``ek_kernels_dsp.h`` in (channels, 2), or in (channels, 3) if ``is_exact``.
    """

    weights: Int64Array
    bias: Int64Array
    constants: Int64Array
    is_exact: bool
    largest_sum: Int64Array


def _stage(op: Weighted, weights: Int64Array, channels: Int64Array, unit_bits: Int64Array) -> _Stage | None:
    """The stage of ``channels`` of ``op``; ``weights`` has those of a channel in each row. ``unit_bits`` is
    that of the addend. None where a sum could wrap around, or a shift is beyond the exact kernel.
    """
    op, weights = _only(op, channels), weights[channels]
    lowest, highest = sum_bounds(op, weights)
    stairs = staircase(op, lowest, highest, clamped=False)
    if stairs is None:
        return None
    used = np.where(stairs.is_flat[:, None], 0, weights)
    bias = np.where(stairs.is_flat, 0, raw_bias(op, weights))
    largest_sum = np.where(stairs.is_flat, 0, np.maximum(-lowest, highest))
    factor = one_factor(op, stairs, unit_bits)
    if factor is not None:
        constants = np.column_stack([factor.multiplier, factor.addend])
        return _Stage(used, bias + factor.delta, constants, False, largest_sum + factor.delta)
    exact = _exact_constants(op, stairs) if largest_sum.max() < _EXACT_LIMIT else None
    return None if exact is None else _Stage(used, bias, exact, True, largest_sum)


def _exact_constants(op: Weighted, stairs: Staircase) -> Int64Array | None:
    """Multiplier, rounding, right; None where a shift is not to the right, or too far."""
    shift = np.broadcast_to(op.requantization.shift, stairs.base.shape).astype(np.int64)
    right = np.where(stairs.is_flat, 1, -shift)
    if right.min() < 1 or right.max() > _MAX_RIGHT_SHIFT:
        return None
    multiplier = np.where(stairs.is_flat, 0, op.requantization.multiplier)
    rounding = (np.int64(1) << (right - 1)) + (np.int64(op.output_zero_point) << right)
    rounding = np.where(stairs.is_flat, stairs.base << right, rounding)
    return np.column_stack([multiplier, rounding, right])


def _only(op: Weighted, channels: Int64Array) -> Weighted:
    """``op`` with its biases and factors for ``channels``, one after the other."""
    count = len(op.bias)
    multiplier = np.broadcast_to(op.requantization.multiplier, count)[channels]
    shift = np.broadcast_to(op.requantization.shift, count)[channels]
    return replace(op, bias=op.bias[channels], requantization=Requantization(multiplier, shift))
