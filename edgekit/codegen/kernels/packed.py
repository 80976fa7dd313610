"""Kernels for 32-bit cores that multiply and have no vectors: firmware/kernels/packed/."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels import portable
from edgekit.codegen.kernels.addition import linear_add_call
from edgekit.codegen.kernels.geometry import outside_value, row_shape, window_struct
from edgekit.codegen.kernels.requantization.staircase import (
    Int64Array,
    Weighted,
    raw_bias,
    staircase,
    sum_bounds,
)
from edgekit.codegen.kernels.requantization.two_factors import TwoFactors, two_factors
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    RowWork,
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
    Mean,
    Op,
    Window,
)

_HEADER = "edgekit/ek_kernels_packed.h"
_FOLDER = "kernels/packed"
_QUAD = 4
_TILE_PIXELS = 4
_WORD_BYTES = 4
_WORDS_BYTES = 8  # of an element of four pixels
# Where a run begins is told in 16 bits, in bytes of words.
_MAX_DEPTH = 0xFFFF // _WORDS_BYTES
# What makes the lower of two sums in a word positive.
_POSITIVE = 1 << 15
_WORD_MASK = (1 << 32) - 1
# Of fully connected layers: the filters that run together, and a quad of inputs as words.
_LANES = 4
_INPUT_QUAD_BYTES = 12
_MAX_INPUTS = 4 * 0xFFFF
# Bytes whose sum fits 16 bits.
_MOST_SUMMANDS = 0xFFFF // 0xFF

# What depthwise convolutions that have no kernel of their own may take as convolutions: a word is made of
# each element of the window, in all channels.
_MOST_SCRATCH_BYTES = 2048

_ARMV6M_SOURCES: Mapping[str, tuple[str, ...]] = {
    f"{_FOLDER}/conv_2d.c": (f"{_FOLDER}/tile.S", f"{_FOLDER}/words.S"),
    f"{_FOLDER}/depthwise_conv_2d.c": (f"{_FOLDER}/channel_run.S",),
    f"{_FOLDER}/fully_connected.c": (f"{_FOLDER}/dots.S",),
}

_Quads: TypeAlias = list[tuple[int, list[int]]]
"""Neighbouring weights with the number of their quad in a filter."""


def kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """How ``op`` runs on such a core; None where these kernels cannot run it."""
    if isinstance(op, Conv2D):
        return _conv_2d(graph, op)
    if isinstance(op, DepthwiseConv2D):
        return _depthwise_conv_2d(graph, op) or _conv_2d(graph, _as_convolution(op), _MOST_SCRATCH_BYTES)
    if isinstance(op, FullyConnected):
        return _fully_connected(op)
    if isinstance(op, Add):
        return linear_add_call(op, graph, "packed", _HEADER)
    return None


def accumulate_call(graph: Graph, op: AveragePool2D | Mean) -> KernelCall | None:
    """How a mean over an image takes up a row of it; None where the portable kernel is to do it."""
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    if channels % _QUAD or width > _MOST_SUMMANDS:
        return None
    call = portable.taken_over(portable.accumulate_call(graph, op), "packed", _HEADER)
    return replace(call, alignment=_WORD_BYTES)


def armv6m_kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """The same on Armv6-M, where the inner loops are in assembly."""
    call = kernel_call(graph, op)
    return None if call is None else replace(call, more_sources=_ARMV6M_SOURCES.get(call.source, ()))


def _conv_2d(graph: Graph, op: Conv2D, most_scratch_bytes: int | None = None) -> KernelCall | None:
    channels = graph.tensors[op.inputs[0]].shape[3]
    weights = op.filter.reshape(len(op.filter), -1).astype(np.int64)
    if weights.shape[1] > _MAX_DEPTH or op.filter.shape[3] != channels:
        return None
    hangs_over = op.window.pad_left > 0 or op.window.pad_right > 0
    depth = weights.shape[1]
    scratch_bytes = -(-depth // _QUAD) * _QUAD * _WORDS_BYTES
    scratch_bytes += _seen_columns(op.window) * channels if hangs_over else 0
    if most_scratch_bytes is not None and scratch_bytes > most_scratch_bytes:
        return None
    factors = _factors(op, *sum_bounds(op, weights))
    if factors is None:
        return None
    is_signed = bool(factors.drop.any())
    split = [_quads_and_couples(row) for row in weights.tolist()]
    stream = _stream(split, raw_bias(op, weights), factors, is_signed)
    params = struct(
        input=row_shape(graph, op.inputs[0]),
        output=row_shape(graph, op.output),
        window=window_struct(op.window),
        depth=uint16(depth),
        input_zero_point=int8(op.input_zero_point),
        hangs_over=Integer("uint8_t", int(hangs_over)),
        weights=ConstantArray("weights", "uint32_t", stream, f"{len(weights)} filters of {depth}, as runs"),
        weights_words=uint32(stream.size),
    )
    check_ranges(op, params)
    name = "conv_2d_signed" if is_signed else "conv_2d"
    return KernelCall(
        f"ek_packed_{name}_s8",
        f"{_FOLDER}/conv_2d.c",
        "ek_packed_conv_2d",
        params,
        header=_HEADER,
        scratch_bytes=scratch_bytes,
        outside=outside_value(op),
        row_work=_conv_work(op.window, channels, graph, op, split),
    )


def _conv_work(
    window: Window,
    channels: int,
    graph: Graph,
    op: Conv2D,
    filters: list[tuple[_Quads, list[int]]],
) -> RowWork:
    """Tiles of three or four pixels, and pairs: the words of their windows, made of copies where these hang
    over, and what of the filters each meets.
    """
    width, output_width = (graph.tensors[index].shape[2] for index in (op.inputs[0], op.output))
    first = np.arange(0, output_width, _TILE_PIXELS)
    last = np.minimum(first + _TILE_PIXELS, output_width) - 1
    left, right = (x * window.stride_width - window.pad_left for x in (first, last))
    end = right + (window.width - 1) * window.dilation_width + 1
    hangs_over = (left < 0) | (end > width)
    runs = window.width if window.dilation_width > 1 else 1
    work = {
        "words": len(first) * window.height * window.width * channels,
        "word_runs": len(first) * window.height * runs,
        "copies": int(hangs_over.sum()) * window.height,
        "copied": int((end - left)[hangs_over].sum()) * window.height * channels,
    }
    met = {
        "filters": len(filters),
        "quads": sum(len(quads) for quads, _ in filters),
        "runs": sum(_run_count(quads) for quads, _ in filters),
        "couples": sum(len(couples) // 2 for _, couples in filters),
    }
    pairs = int(0 < output_width % _TILE_PIXELS <= _TILE_PIXELS // 2)
    for name, count in (("tiles", len(first) - pairs), ("pairs", pairs)):
        work |= {name: count, **{f"{name}_{kind}": count * number for kind, number in met.items()}}
    return tuple(work.items())


def _run_count(quads: _Quads) -> int:
    numbers = [number for number, _ in quads]
    return sum(number != before + 1 for before, number in zip([-2, *numbers], numbers, strict=False))


def _as_convolution(op: DepthwiseConv2D) -> Conv2D:
    """``op`` with filters of all input channels, whose weights are 0 but for one channel."""
    _, height, width, outputs = op.filter.shape
    channels = outputs // op.depth_multiplier
    filters = np.zeros((outputs, height, width, channels), np.int8)
    number = np.arange(outputs)
    filters[number, :, :, number // op.depth_multiplier] = op.filter[0].transpose(2, 0, 1)
    return Conv2D(
        op.index,
        op.inputs,
        op.output,
        filter=filters,
        bias=op.bias,
        window=op.window,
        input_zero_point=op.input_zero_point,
        output_zero_point=op.output_zero_point,
        requantization=op.requantization,
        activation_min=op.activation_min,
        activation_max=op.activation_max,
    )


def _depthwise_conv_2d(graph: Graph, op: DepthwiseConv2D) -> KernelCall | None:
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    output_width = graph.tensors[op.output].shape[2]
    if (op.window.height, op.window.width, op.depth_multiplier) != (3, 3, 1):
        return None
    weights = op.filter.reshape(-1, channels).T.astype(np.int64)
    factors = _factors(op, *sum_bounds(op, weights))
    if factors is None or factors.drop.any():
        return None
    start = raw_bias(op, weights) - factors.origin
    constants = (factors.x_max, factors.whole, factors.fraction, factors.offset)
    words = np.column_stack([start, weights, *constants]) & _WORD_MASK
    first, count = inner_columns(op.window, width, output_width)
    params = struct(
        input=row_shape(graph, op.inputs[0]),
        output=row_shape(graph, op.output),
        window=window_struct(op.window),
        inner_first=uint16(first),
        inner_count=uint16(count),
        input_zero_point=int8(op.input_zero_point),
        weights=ConstantArray(
            "weights", "uint32_t", words.astype(np.uint32), f"{channels} channels of {words.shape[1]}"
        ),
    )
    check_ranges(op, params)
    return KernelCall(
        "ek_packed_depthwise_conv_2d_s8",
        f"{_FOLDER}/depthwise_conv_2d.c",
        "ek_packed_depthwise_conv_2d",
        params,
        header=_HEADER,
        scratch_bytes=9 * channels if count < output_width else 0,
        outside=outside_value(op),
        row_work=_depthwise_work(op.window, channels, (width, output_width), (first, count)),
    )


def _depthwise_work(
    window: Window, channels: int, widths: tuple[int, int], inner: tuple[int, int]
) -> RowWork:
    """A run of pixels whose windows lie inside the input, two at a time where neighbours share columns; and
    the others one by one, copied. ``inner`` is the first of the former, and how many there are.
    """
    (width, output_width), (first, count) = widths, inner
    pixels = np.setdiff1d(np.arange(output_width), np.arange(first, first + count))
    columns = np.arange(window.width) * window.dilation_width
    seen = pixels[:, None] * window.stride_width - window.pad_left + columns
    inside = int(((seen >= 0) & (seen < width)).sum()) * window.height
    pairs = count // 2 if window.stride_width == window.dilation_width else 0
    by_words = channels % _WORD_BYTES == 0
    return (
        ("hanging", len(pixels)),
        ("hanging_channels", len(pixels) * channels),
        ("copied_words", inside * channels // _WORD_BYTES if by_words else 0),
        ("copied_bytes", 0 if by_words else inside * channels),
        ("filled", (seen.size * window.height - inside) * channels),
        ("runs", int(count > 0)),
        ("run_channels", channels if count > 0 else 0),
        ("pairs", pairs * channels),
        ("singles", (count - 2 * pairs) * channels),
    )


def _fully_connected(op: FullyConnected) -> KernelCall | None:
    weights = op.filter.astype(np.int64)
    outputs, depth = weights.shape
    if op.filter_zero_point != 0 or depth > _MAX_INPUTS:
        return None
    factors = _common_factors(op, weights)
    if factors is None:
        return None
    is_signed = bool(factors.drop.any())
    constants = np.array(_constants(factors, is_signed)) & _WORD_MASK
    start = raw_bias(op, weights) - factors.origin
    words: list[int] = []
    for first in range(0, outputs, _LANES):
        lanes = weights[first : first + _LANES].tolist()
        words += [*map(int, start[first : first + _LANES]), *[0] * (_LANES - len(lanes))]
        words += [*_runs(_side_by_side([_quads(row) for row in lanes]), 1, 1), 0]
    stream = np.array([word & _WORD_MASK for word in words], np.uint32)
    params = struct(
        input_depth=uint32(depth),
        output_depth=uint32(outputs),
        is_signed=Integer("uint8_t", int(is_signed)),
        constants_words=Integer("uint8_t", constants.shape[1] if len(constants) > 1 else 0),
        weights=ConstantArray("weights", "uint32_t", stream, f"{outputs} filters of {depth}, four at a time"),
        constants=ConstantArray("constants", "uint32_t", constants.astype(np.uint32), dims(constants.shape)),
    )
    check_ranges(op, params)
    return KernelCall(
        "ek_packed_fully_connected_s8",
        f"{_FOLDER}/fully_connected.c",
        "ek_packed_fully_connected",
        params,
        header=_HEADER,
        scratch_bytes=-(-depth // _QUAD) * _INPUT_QUAD_BYTES,
    )


def _common_factors(op: FullyConnected, weights: Int64Array) -> TwoFactors | None:
    """The constants of all outputs in one entry where they share a factor, else one an output."""
    lowest, highest = sum_bounds(op, weights)
    if op.requantization.multiplier.size == 1:
        lowest, highest = lowest.min(keepdims=True), highest.max(keepdims=True)
    return _factors(op, lowest, highest)


def _factors(op: Weighted, lowest: Int64Array, highest: Int64Array) -> TwoFactors | None:
    """The constants for sums between those; None where a sum could wrap around, or a channel has none."""
    stairs = staircase(op, lowest, highest)
    return None if stairs is None else two_factors(op, stairs)


def _side_by_side(filters: list[_Quads]) -> _Quads:
    """The quads of up to four filters, all with the weights of all of them: each weight 128 greater."""
    parts: dict[tuple[int, int], list[int]] = {}
    for lane, quads in enumerate(filters):
        seen: Counter[int] = Counter()
        for number, quad in quads:
            part = parts.setdefault((seen[number], number), [0] * (_LANES * _QUAD))
            part[lane * _QUAD : (lane + 1) * _QUAD] = quad
            seen[number] += 1
    return [(number, [weight + 128 for weight in part]) for (_, number), part in sorted(parts.items())]


def _seen_columns(window: Window) -> int:
    """The columns that the windows of four neighbouring pixels see together."""
    return 3 * window.stride_width + (window.width - 1) * window.dilation_width + 1


def inner_columns(window: Window, width: int, output_width: int) -> tuple[int, int]:
    """The first output column whose window lies inside the input's ``width`` columns, and how many do."""
    left = np.arange(output_width) * window.stride_width - window.pad_left
    inside = (left >= 0) & (left + (window.width - 1) * window.dilation_width < width)
    return int(np.argmax(inside)), int(inside.sum())


def _stream(
    filters: list[tuple[_Quads, list[int]]], bias: Int64Array, factors: TwoFactors, is_signed: bool
) -> NDArray[np.uint32]:
    """``filters``, as quads and couples, as ``ek_packed_conv_2d.weights``."""
    words: list[int] = []
    constants = _constants(factors, is_signed)
    for channel, (quads, couples) in enumerate(filters):
        start = int(bias[channel] - factors.origin[channel])
        words += [start + (start << 16) - _POSITIVE * (len(quads) + len(couples) // 2), start]
        words += [*_runs(quads, _QUAD * _WORDS_BYTES, _QUAD), _WORD_BYTES * len(couples), *couples]
        words += constants[channel]
    return np.array([word & _WORD_MASK for word in words], np.uint32)


def _constants(factors: TwoFactors, is_signed: bool) -> list[list[int]]:
    """What a kernel makes outputs of sums with, channel by channel."""
    columns = [factors.x_max, factors.whole, factors.fraction, factors.offset]
    if is_signed:
        # In x, the border between negative and other sums; only 0..x_max + 1 differ.
        columns += [np.clip(-factors.origin, 0, factors.x_max + 1), -factors.drop]
    return [[int(value) for value in channel] for channel in np.column_stack(columns)]


def _quads_and_couples(row: list[int]) -> tuple[_Quads, list[int]]:
    """Quads of weights with their numbers, and words of weights that are in none, couple by couple."""
    quads: _Quads = []
    scattered: list[tuple[int, int]] = []
    for first in range(0, len(row), _QUAD):
        quad = [*row[first : first + _QUAD], 0, 0, 0][:_QUAD]
        largest = sorted(range(_QUAD), key=lambda index: -abs(quad[index]))
        while not _fits(quad) or sum(map(bool, quad)) == 1:
            index = largest.pop(0)
            scattered.append((first + index, quad[index]))
            quad[index] = 0
        if any(quad):
            quads.append((first // _QUAD, quad))
    return quads, _couples(scattered)


def _couples(scattered: list[tuple[int, int]]) -> list[int]:
    """The words of couples of these weights, told with their elements. Two of -128 are no couple."""
    couples: list[tuple[int, int]] = []
    for element, weight in scattered:
        if len(couples) % 2 and not _fits([couples[-1][1], weight]):
            couples.append((0, 0))
        couples.append((element, weight))
    couples += [(0, 0)] * (len(couples) % 2)
    return [element * _WORDS_BYTES | (weight & 0xFF) << 24 for element, weight in couples]


def _quads(row: list[int]) -> _Quads:
    """Quads of weights with their numbers; in parts where the products of one could leave 16 bits."""
    quads: _Quads = []
    for first in range(0, len(row), _QUAD):
        part = [0] * _QUAD
        for index, weight in enumerate(row[first : first + _QUAD]):
            if not _fits([*part, weight]):
                quads.append((first // _QUAD, part))
                part = [0] * _QUAD
            part[index] = weight
        if any(part):
            quads.append((first // _QUAD, part))
    return quads


def _fits(weights: list[int]) -> bool:
    """Whether the sum of their products with any int8 values stays within int16."""
    positive, negative = (sum(max(sign * weight, 0) for weight in weights) for sign in (1, -1))
    return 127 * positive + 128 * negative < _POSITIVE and 128 * positive + 127 * negative <= _POSITIVE


def _runs(quads: _Quads, place: int, size: int) -> list[int]:
    """The words of runs of ``quads``. Before each run is one that tells where it begins, in units of
    1 / ``place`` quads, and how long it is, in units of 1 / ``size`` quads.
    """
    words: list[int] = []
    header = expected = -1
    for number, weights in quads:
        if number != expected:
            header = len(words)
            words.append(number * place)
        words[header] += size << 16
        words += [int(word) for word in np.array(weights, np.int64).astype(np.uint8).view("<u4")]
        expected = number + 1
    return words
