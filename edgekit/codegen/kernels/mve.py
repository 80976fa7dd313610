"""The kernels for Helium (Armv8.1-M's vectors, "mve"): those of firmware/kernels/mve/.

They run convolutions, 3x3 depthwise convolutions, fully connected layers, additions and averages of the usual
kind; what is not usual here is left to other kernels. The parameters are those of ``ek_kernels_mve.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels import portable
from edgekit.codegen.kernels.requantization.fine_sums import fine_sums
from edgekit.codegen.kernels.requantization.staircase import staircase, sum_bounds
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    Struct,
    array,
    check_ranges,
    dims,
    int8,
    only,
    struct,
    uint16,
    uint32,
)
from edgekit.codegen.rows import own_rows
from edgekit.graph import arithmetic
from edgekit.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Op,
    Window,
)

_HEADER = "edgekit/ek_kernels_mve.h"
_FOLDER = "kernels/mve"
_LANES = 16
_PIXELS = 4
_GROUP = 4

_PATCH_BYTES = 448
_MOST_PATCHES = 252
_OFFSETS = 255
_DOT_FILES = ("dot_pixel.S", "dot_tiles.S")
_COLUMNS = {1: ([0, 1, 2], 6), 2: ([0, 2, 1], 9)}
"""Of a 3x3 convolution's stride: in which order it takes columns, and those that four windows have."""

_DEPTHWISE_TAPS = 3
_DEPTHWISE_SCRATCH_BYTES = 384
_LARGEST_TILES = {1: 12, 2: 6}
_ZEROS_BEFORE = 6
_ZEROS_BEHIND = 8

_LARGEST_ADD_SHIFT = 24
_LEAST_ADD_SHIFT = 18
_ADD_TRIES = 3


def kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """How ``op`` runs on a core with Helium; None where these kernels cannot run it.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    call = _call(op, graph)
    if call is not None:
        check_ranges(op, call.params)
    return call


@singledispatch
def _call(op: Op, graph: Graph) -> KernelCall | None:
    return None


@_call.register
def _conv_2d(op: Conv2D, graph: Graph) -> KernelCall | None:
    window = op.window
    filters, channels = op.filter.shape[0], int(op.filter.shape[3])
    stage = _stage(op, op.filter.reshape(filters, -1))
    is_grouped = graph.tensors[op.inputs[0]].shape[3] != channels
    if stage is None or is_grouped or window.dilation_width != 1 or not _meets_columns(op, graph):
        return None
    size = (window.height, window.width)
    if size == (1, 1):
        call = _convolution(op, graph, stage, stage.weights, "conv_2d_1x1", _DOT_FILES)
        return replace(call, outside=None)
    width = graph.tensors[op.output].shape[2]
    if size == (3, 3) and window.stride_width in _COLUMNS and channels % _LANES == 0 and width >= _PIXELS:
        order, columns = _COLUMNS[window.stride_width]
        taps = stage.weights.reshape(op.filter.shape)[:, :, order]
        taps = taps.reshape(filters, *size, -1, _LANES).transpose(0, 1, 3, 2, 4).reshape(filters, -1)
        files = ("copy_columns.S", "dot_columns.S")
        call = _convolution(op, graph, stage, taps, "conv_2d_3x3", files)
        return replace(call, scratch_bytes=size[0] * columns * channels)
    return _windows_copied(
        _convolution(op, graph, stage, stage.weights, "conv_2d", ("copy_runs.S", *_DOT_FILES)), op, width
    )


def _convolution(
    op: Conv2D, graph: Graph, stage: _Stage, weights: NDArray[np.int8], name: str, files: tuple[str, ...]
) -> KernelCall:
    """The call of a kernel that takes ``weights`` (O, depth) in that order; without scratch."""
    stream = np.concatenate([_in_pairs(weights), stage.constants], axis=1)
    layout = "{} filters of {}, in fours".format(*weights.shape)
    return KernelCall(
        f"ek_mve_{name}_s8",
        f"{_FOLDER}/{name}.c",
        "ek_mve_conv_2d",
        struct(
            input=_row_shape(graph, op.inputs[0]),
            output=_row_shape(graph, op.output),
            window=_window(op.window),
            input_zero_point=int8(op.input_zero_point),
            stage=stage.params,
            stream_words=uint32(stream.size),
            stream=ConstantArray("weights", "uint32_t", stream, layout),
        ),
        header=_HEADER,
        more_sources=tuple(f"{_FOLDER}/{file}" for file in files),
        alignment=_GROUP,
        outside=op.input_zero_point,
        tile_pixels=_PIXELS,
        variant=stage.variant,
    )


def _windows_copied(call: KernelCall, op: Conv2D, width: int) -> KernelCall:
    """``call`` with ``ek_mve_windows`` of an output row of ``width`` pixels."""
    window = op.window
    step = window.stride_width * int(op.filter.shape[3])
    run = window.width * int(op.filter.shape[3])
    depth = window.height * run
    fitting = (count for count in range(_PIXELS, 1, -1) if count * run <= _LANES)
    together = next((count for count in fitting if (count - 1) * max(depth, step) + run <= _OFFSETS), 1)
    patches = max(_PATCH_BYTES // depth // _PIXELS, 1) * _PIXELS
    patches = min(patches, width + -width % _PIXELS, _MOST_PATCHES)
    number, byte = np.divmod(np.arange(_LANES), run if together > 1 else _LANES)
    # What lanes without a byte have does not matter.
    offsets = np.stack([number * step + byte, number * depth + byte]).astype(np.uint8)
    return replace(
        call,
        params_type="ek_mve_windows",
        params=struct(
            conv=call.params,
            patches=Integer("uint8_t", patches),
            together=Integer("uint8_t", together),
            offsets=ConstantArray("offsets", "uint8_t", offsets, "from and to, of 16 bytes"),
        ),
        scratch_bytes=patches * depth,
    )


@_call.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    window = op.window
    channels = op.filter.shape[3]
    weights = op.filter[0].transpose(2, 1, 0)
    is_usual = (
        (window.height, window.width) == (_DEPTHWISE_TAPS, _DEPTHWISE_TAPS)
        and window.stride_width in _LARGEST_TILES
        and window.dilation_width == 1
        and window.pad_left <= 1
        and op.depth_multiplier == 1
    )
    stage = _stage(op, weights.reshape(channels, -1))
    if stage is None or not is_usual or not _meets_columns(op, graph):
        return None
    taps = np.pad(stage.weights, ((0, 0), (_ZEROS_BEFORE, _LANES - _ZEROS_BEFORE - stage.weights.shape[1])))
    rows = np.pad(taps.reshape(channels // _GROUP, -1), ((0, 0), (0, _ZEROS_BEHIND)))
    stream = np.hstack([np.ascontiguousarray(rows).view("<u4"), stage.constants])
    return KernelCall(
        "ek_mve_depthwise_conv_2d_s8",
        f"{_FOLDER}/depthwise_conv_2d.c",
        "ek_mve_depthwise_conv_2d",
        struct(
            input=_row_shape(graph, op.inputs[0]),
            output=_row_shape(graph, op.output),
            window=_window(window),
            input_zero_point=int8(op.input_zero_point),
            tile_pixels=Integer("uint8_t", _LARGEST_TILES[window.stride_width]),
            stage=stage.params,
            stream_words=uint32(stream.size),
            stream=ConstantArray("weights", "uint32_t", stream, f"{channels} channels, in fours"),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/depthwise_tile.S",),
        scratch_bytes=_DEPTHWISE_SCRATCH_BYTES,
        alignment=_GROUP,
        outside=op.input_zero_point,
        tile_pixels=_LARGEST_TILES[window.stride_width],
        variant=stage.variant,
    )


@_call.register
def _fully_connected(op: FullyConnected, graph: Graph) -> KernelCall | None:
    output_depth, input_depth = op.filter.shape
    multiplier, shift = op.requantization.multiplier, op.requantization.shift
    if op.filter_zero_point != 0 or shift.max() > 0:
        return None
    per_channel = multiplier.size == output_depth
    entries = f"{output_depth} outputs" if per_channel else "1 for all outputs"
    return KernelCall(
        "ek_mve_fully_connected_s8",
        f"{_FOLDER}/fully_connected.c",
        "ek_mve_fully_connected",
        struct(
            input_depth=uint32(input_depth),
            output_depth=uint32(output_depth),
            weights=ConstantArray("weights", "int8_t", op.filter, f"OI {dims(op.filter.shape)}"),
            bias=ConstantArray("bias", "int32_t", _folded_bias(op, op.filter), f"{output_depth} outputs"),
            multiplier=ConstantArray("multiplier", "int32_t", multiplier, entries),
            shift=ConstantArray("shift", "int8_t", shift, entries),
            per_channel=Integer("uint8_t", int(per_channel)),
            zero_point=int8(op.output_zero_point),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
        ),
        header=_HEADER,
    )


@_call.register
def _add(op: Add, graph: Graph) -> KernelCall | None:
    constants = add_constants(op)
    if constants is None:
        return None
    first, second, offset, shift = constants
    return KernelCall(
        "ek_mve_add_s8",
        f"{_FOLDER}/add.c",
        "ek_mve_add",
        struct(
            size=uint32(own_rows(graph.tensors[op.output]).row_bytes),
            multipliers=array((Integer("int32_t", first), Integer("int32_t", second))),
            offset=Integer("int32_t", offset),
            shift=Integer("uint8_t", shift),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
        ),
        header=_HEADER,
    )


@_call.register
def _average_pool_2d(op: AveragePool2D, graph: Graph) -> KernelCall | None:
    window = op.window
    if any((window.pad_top, window.pad_bottom, window.pad_left, window.pad_right)):
        return None
    return KernelCall(
        "ek_mve_average_pool_2d_s8",
        f"{_FOLDER}/average_pool_2d.c",
        "ek_pool_2d",
        struct(
            input=_row_shape(graph, op.inputs[0]),
            output=_row_shape(graph, op.output),
            window=_window(window),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
        ),
        header=_HEADER,
    )


def accumulate_call(graph: Graph, op: Op) -> KernelCall:
    """Takes up a row of the image in the sums of its channels."""
    return replace(
        portable.accumulate_call(graph, op),
        function="ek_mve_accumulate_s8",
        source=f"{_FOLDER}/accumulate.c",
        header=_HEADER,
    )


def add_constants(op: Add) -> tuple[int, int, int, int] | None:
    """``(first, second, offset, shift)`` with which (a * first + b * second + offset) >> shift, clamped, is
    the byte that ``op`` makes of a and b, for all 65,536 pairs; None where a few tries find none.
    """
    wanted = _sums_of_all_pairs(op)
    output = op.output_requantization
    output_factor = only(output.multiplier) * 2.0 ** (only(output.shift) - 31)
    factors = [
        only(r.multiplier) * 2.0 ** (only(r.shift) - 31 + op.left_shift) * output_factor
        for r in op.input_requantizations
    ]
    tries = range(-_ADD_TRIES, _ADD_TRIES + 1)
    near = sorted(((a, b) for a in tries for b in tries), key=lambda pair: abs(pair[0]) + abs(pair[1]))
    for shift in range(_LARGEST_ADD_SHIFT, 0, -1):
        first, second = (round(factor * 2.0**shift) for factor in factors)
        if 255 * (abs(first) + abs(second)) >= 2**32:
            continue
        for a, b in near:
            offset = _add_offset(first + a, second + b, shift, wanted)
            if offset is not None:
                return first + a, second + b, offset, shift
        if shift < _LEAST_ADD_SHIFT:
            return None
    return None


def _sums_of_all_pairs(op: Add) -> NDArray[np.int32]:
    """The clamped results of ``op``: (256, 256), indexed by a + 128 and b + 128."""
    values = np.arange(-128, 128, dtype=np.int32)
    operands = [
        arithmetic.multiply_by_quantized_multiplier(
            arithmetic.shift_left_wrapping(values - np.int32(zero_point), op.left_shift)[:, None],
            requantization.multiplier,
            requantization.shift,
        )[:, 0]
        for requantization, zero_point in zip(op.input_requantizations, op.input_zero_points, strict=True)
    ]
    total = operands[0][:, None] + operands[1][None, :]
    output = op.output_requantization
    scaled = arithmetic.multiply_by_quantized_multiplier(total[..., None], output.multiplier, output.shift)
    raised: NDArray[np.int32] = scaled[..., 0] + np.int32(op.output_zero_point)
    return raised.clip(op.activation_min, op.activation_max)


def _add_offset(first: int, second: int, shift: int, wanted: NDArray[np.int32]) -> int | None:
    """The middle of the offsets that are right for all pairs, if there is any."""
    values = np.arange(-128, 128, dtype=np.int64)
    products = values[:, None] * first + values[None, :] * second
    lowest, highest = int(wanted.min()), int(wanted.max())
    if lowest == highest:
        return None
    # The smallest and the largest sum of each result, and what all results above and below allow.
    smallest = np.full(highest - lowest + 1, np.iinfo(np.int64).max // 2)
    largest = -smallest
    np.minimum.at(smallest, wanted - lowest, products)
    np.maximum.at(largest, wanted - lowest, products)
    smallest = np.minimum.accumulate(smallest[::-1])[::-1][1:]
    largest = np.maximum.accumulate(largest)[:-1]
    thresholds = np.arange(lowest + 1, highest + 1, dtype=np.int64) << shift
    least, most = int((thresholds - smallest).max()), int((thresholds - 1 - largest).min())
    offset = (least + most) // 2
    # Only the whole sum must fit: int32 wraps around on the way.
    fits = int(products.min()) + offset >= -(2**31) and int(products.max()) + offset < 2**31
    return offset if least <= most and fits and abs(offset) < 2**31 else None


@dataclass(frozen=True)
class _Stage:
    """``ek_mve_stage``, the constants of each four channels, and the weights (O, taps) that these are for."""

    params: Struct
    constants: NDArray[np.uint32]
    weights: NDArray[np.int8]
    variant: str


def _stage(op: Conv2D | DepthwiseConv2D, weights: NDArray[np.int8]) -> _Stage | None:
    """The stage of ``op`` with ``weights`` (O, taps); None where it takes no such factors."""
    channels = op.bias.size
    multiplier = np.broadcast_to(op.requantization.multiplier, channels)
    shift = np.broadcast_to(op.requantization.shift, channels)
    # Without a shift there is no tie, and no room for the zero point on top of the largest int32.
    if channels % _GROUP or shift.max() > 0 or np.any((shift == 0) & (multiplier != 0)):
        return None
    bias = _folded_bias(op, weights)
    stairs = staircase(op, *sum_bounds(op, weights.astype(np.int64)), clamped=False)
    fine = None
    if stairs is not None and (op.activation_min, op.activation_max) == (-128, 127):
        fine = fine_sums(op, stairs, bias.astype(np.int64))
    if stairs is not None and fine is not None:
        constants = np.stack([fine.offset, fine.multiplier]).astype(np.int32)
        weights = np.where(stairs.is_flat[:, None], np.int8(0), weights)
        words, bits = _by_fours(constants), fine.bits
    else:
        shifts = np.ascontiguousarray(shift.astype(np.int8)).view("<i4")
        words, bits = np.hstack([_by_fours(np.stack([bias, multiplier])), shifts[:, None]]), 0
    params = struct(
        sum_bits=Integer("uint8_t", bits),
        zero_point=int8(op.output_zero_point),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )
    variant = "" if bits else "double rounding"
    return _Stage(params, words.astype(np.int32).view(np.uint32), weights, variant)


def _by_fours(constants: NDArray[np.int32]) -> NDArray[np.int32]:
    """``constants`` (kinds, channels) as (channels / 4, kinds * 4)."""
    kinds, channels = constants.shape
    return constants.reshape(kinds, -1, _GROUP).transpose(1, 0, 2).reshape(channels // _GROUP, -1)


def _folded_bias(
    op: Conv2D | DepthwiseConv2D | FullyConnected, weights: NDArray[np.int8]
) -> NDArray[np.int32]:
    """The biases with the input's zero point in them, modulo 2^32; ``weights`` are (O, taps)."""
    sums = weights.astype(np.int64).sum(axis=1)
    folded: NDArray[np.int64] = op.bias.astype(np.int64) - op.input_zero_point * sums
    return folded.astype(np.int32)


def _in_pairs(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """``weights`` (O, depth) as (O / 4, words): see ``ek_mve_conv_2d``."""
    filters, depth = weights.shape
    padded = np.pad(weights, ((0, 0), (0, -depth % _LANES)))
    pairs = padded.reshape(filters // 2, 2, -1, _LANES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(pairs).reshape(filters // _GROUP, -1).view("<u4")


def _meets_columns(op: Conv2D | DepthwiseConv2D, graph: Graph) -> bool:
    """Whether each window has a column inside the input."""
    window = op.window
    width, columns = (graph.tensors[index].shape[2] for index in (op.inputs[0], op.output))
    last = (columns - 1) * window.stride_width - window.pad_left
    return window.pad_left < window.width and last < width


def _window(window: Window) -> Struct:
    return struct(
        height=uint16(window.height),
        width=uint16(window.width),
        stride=uint16(window.stride_width),
        dilation=uint16(window.dilation_width),
        pad_left=uint16(window.pad_left),
    )


def _row_shape(graph: Graph, index: int) -> Struct:
    _, _, width, channels = graph.tensors[index].shape
    return array(map(uint16, (width, channels)))
