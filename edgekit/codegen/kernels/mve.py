"""The kernels for Helium (Armv8.1-M's vectors, "mve"): those of firmware/kernels/mve/.

They run convolutions, depthwise convolutions, fully connected layers, additions and pools of the usual kind;
what is not usual here is left to other kernels. The parameters are those of ``ek_kernels_mve.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from math import gcd

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels import portable
from edgekit.codegen.kernels.addition import linear_add_call
from edgekit.codegen.kernels.geometry import outside_value, row_shape, sees_columns, window_struct
from edgekit.codegen.kernels.mve_work import (
    columns_work,
    depthwise_windows_work,
    depthwise_work,
    pixels_work,
    windows_work,
)
from edgekit.codegen.kernels.requantization.fine_sums import fine_sums
from edgekit.codegen.kernels.requantization.staircase import staircase, sum_bounds
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    Struct,
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
    Op,
    Requantization,
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

_MOST_AVERAGED = 256
"""Elements whose sum surely has 16 bits."""

_DEPTHWISE_TAPS = 3
_DEPTHWISE_SCRATCH_BYTES = 384
_LARGEST_TILES = {1: 12, 2: 6}
_ZEROS_BEFORE = 6
_ZEROS_BEHIND = 8

_WINDOW_TILES = (8, 4)
_WINDOW_ROWS = 8
"""At most, where channels come in no fours but go by fours."""
_WINDOW_SUMS_BYTES = 128
_WINDOW_COLUMNS_BYTES = 640
"""What the columns of a tile may take before it is made smaller."""
_MOST_COLUMNS_BYTES = 1280
_WORD_BYTES = 4
_STEP_BYTES = _LANES * _WORD_BYTES
_REACH_BYTES = 256
"""Of the offsets of a gather: one byte each."""


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
    is_padded_pixel = (window.height, window.width) == (1, 1) and outside_value(op) is not None
    is_usual = window.dilation_width == 1 and not is_padded_pixel and sees_columns(op, graph)
    if stage is None or is_grouped or not is_usual or filters % _GROUP:
        return None
    size = (window.height, window.width)
    widths = (graph.tensors[op.inputs[0]].shape[2], graph.tensors[op.output].shape[2])
    width = widths[1]
    if size == (1, 1):
        call = _convolution(op, graph, stage, stage.weights, "conv_2d_1x1", _DOT_FILES)
        return replace(call, outside=None, row_work=pixels_work(width, channels, filters))
    if size == (3, 3) and window.stride_width in _COLUMNS and channels % _LANES == 0 and width >= _PIXELS:
        order, columns = _COLUMNS[window.stride_width]
        taps = stage.weights.reshape(op.filter.shape)[:, :, order]
        taps = taps.reshape(filters, *size, -1, _LANES).transpose(0, 1, 3, 2, 4).reshape(filters, -1)
        files = ("copy_columns.S", "dot_columns.S")
        call = _convolution(op, graph, stage, taps, "conv_2d_3x3", files)
        work = columns_work(window, widths, channels, filters)
        return replace(call, scratch_bytes=size[0] * columns * channels, row_work=work)
    return _windows_copied(
        _convolution(op, graph, stage, stage.weights, "conv_2d", ("copy_runs.S", *_DOT_FILES)), op, widths
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
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            window=window_struct(op.window),
            input_zero_point=int8(op.input_zero_point),
            stage=stage.params,
            stream_words=uint32(stream.size),
            stream=ConstantArray("weights", "uint32_t", stream, layout),
        ),
        header=_HEADER,
        more_sources=tuple(f"{_FOLDER}/{file}" for file in files),
        alignment=_GROUP,
        outside=op.input_zero_point,
        variant=stage.variant,
    )


def _windows_copied(call: KernelCall, op: Conv2D, widths: tuple[int, int]) -> KernelCall:
    """``call`` with ``ek_mve_windows``; ``widths`` are the pixels of a row of the input and of the output."""
    window, width = op.window, widths[1]
    filters, channels = op.filter.shape[0], int(op.filter.shape[3])
    step, run = window.stride_width * channels, window.width * channels
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
        row_work=windows_work(window, widths, channels, filters, patches, together),
    )


@_call.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    window = op.window
    is_usual = (
        (window.height, window.width) == (_DEPTHWISE_TAPS, _DEPTHWISE_TAPS)
        and window.stride_width in _LARGEST_TILES
        and window.dilation_width == 1
        and window.pad_left <= 1
        and op.depth_multiplier == 1
        and op.bias.size % _GROUP == 0
        and sees_columns(op, graph)
    )
    if is_usual:
        stage = _stage(op, _by_columns(op))
        return None if stage is None else _depthwise_3x3(op, graph, stage)
    return _depthwise_windows(op, graph)


def _by_columns(op: DepthwiseConv2D) -> NDArray[np.int8]:
    """The weights of each channel, column by column."""
    weights: NDArray[np.int8] = op.filter[0].transpose(2, 1, 0)
    return weights.reshape(op.bias.size, -1)


def _depthwise_3x3(op: DepthwiseConv2D, graph: Graph, stage: _Stage) -> KernelCall:
    """The call of the kernel for the usual window."""
    channels, taps = stage.weights.shape
    widths = (graph.tensors[op.inputs[0]].shape[2], graph.tensors[op.output].shape[2])
    weights = np.pad(stage.weights, ((0, 0), (_ZEROS_BEFORE, _LANES - _ZEROS_BEFORE - taps)))
    rows = np.pad(weights.reshape(channels // _GROUP, -1), ((0, 0), (0, _ZEROS_BEHIND)))
    stream = np.hstack([np.ascontiguousarray(rows).view("<u4"), stage.constants])
    return KernelCall(
        "ek_mve_depthwise_conv_2d_s8",
        f"{_FOLDER}/depthwise_conv_2d.c",
        "ek_mve_depthwise_conv_2d",
        struct(
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            window=window_struct(op.window),
            input_zero_point=int8(op.input_zero_point),
            tile_pixels=Integer("uint8_t", _LARGEST_TILES[op.window.stride_width]),
            stage=stage.params,
            stream_words=uint32(stream.size),
            stream=ConstantArray("weights", "uint32_t", stream, f"{channels} channels, in fours"),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/depthwise_tile.S",),
        scratch_bytes=_DEPTHWISE_SCRATCH_BYTES,
        alignment=_GROUP,
        outside=op.input_zero_point,
        variant=stage.variant,
        row_work=depthwise_work(op.window, widths, channels, _LARGEST_TILES[op.window.stride_width]),
    )


def _depthwise_windows(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    """The call of the kernel for any window; None where it takes too much memory."""
    channels, window = op.bias.size, op.window
    widths = (graph.tensors[op.inputs[0]].shape[2], graph.tensors[op.output].shape[2])
    by_fours = op.depth_multiplier == 1 and channels >= _GROUP
    by_words = by_fours and channels % _GROUP == 0
    by_fours = by_words or (by_fours and window.height <= _WINDOW_ROWS)
    way = "" if by_words else "unaligned" if by_fours else "bytes"
    computed = _with_last_four(op) if by_fours else op
    stage = _stage(computed, _by_columns(computed))
    dilation = window.dilation_width if window.width > 1 else 1
    together = gcd(dilation, window.stride_width)
    pixel_columns = window.stride_width // together
    steps = -(-window.height * window.width // _LANES)
    tile_pixels, columns_bytes = _window_tile(window, pixel_columns, steps)
    if stage is None or columns_bytes > _MOST_COLUMNS_BYTES:
        return None
    stream = _in_steps(stage, steps)
    return KernelCall(
        "ek_mve_depthwise_windows_s8",
        f"{_FOLDER}/depthwise_windows.c",
        "ek_mve_depthwise_windows",
        struct(
            input=row_shape(graph, op.inputs[0]),
            output=row_shape(graph, op.output),
            window=window_struct(replace(window, dilation_width=dilation)),
            input_zero_point=int8(op.input_zero_point),
            tile_pixels=Integer("uint8_t", tile_pixels),
            phases=uint16(dilation // together),
            pixel_columns=uint16(pixel_columns),
            steps=uint16(steps),
            multiplier=uint16(0 if by_fours else op.depth_multiplier),
            stage=stage.params,
            stream_words=uint32(stream.size),
            stream=ConstantArray("weights", "uint32_t", stream, f"{channels} channels, in fours"),
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/depthwise_windows.S",),
        scratch_bytes=_WINDOW_SUMS_BYTES + columns_bytes,
        alignment=_GROUP if by_words else 1,
        outside=op.input_zero_point,
        variant=f"{way} {stage.variant}".strip(),
        row_work=depthwise_windows_work(
            replace(window, dilation_width=dilation), widths, channels, tile_pixels, steps, way
        ),
    )


def _in_steps(stage: _Stage, steps: int) -> NDArray[np.uint32]:
    """The stream of ``ek_mve_depthwise_windows``: channels in fours, each with zeros up to so many steps."""
    channels, taps = stage.weights.shape
    weights = np.pad(stage.weights, ((0, -channels % _GROUP), (0, steps * _LANES - taps)))
    rows = np.ascontiguousarray(weights.reshape(-1, _GROUP * steps * _LANES)).view("<u4")
    return np.hstack([rows, stage.constants])


def _with_last_four(op: DepthwiseConv2D) -> DepthwiseConv2D:
    """``op`` with some of its last four channels twice, so that all come in fours."""
    channels = op.bias.size
    order = np.arange(channels + -channels % _GROUP)
    order[-_GROUP:] = np.arange(channels - _GROUP, channels)
    factor = op.requantization
    if factor.multiplier.size > 1:
        factor = Requantization(factor.multiplier[order], factor.shift[order])
    return replace(op, filter=op.filter[..., order], bias=op.bias[order], requantization=factor)


def _window_tile(window: Window, pixel_columns: int, steps: int) -> tuple[int, int]:
    """How many pixels are computed at a time, and how many bytes their columns are."""
    pixel_bytes = _WORD_BYTES * window.height * pixel_columns
    reach = (_REACH_BYTES - _STEP_BYTES) // pixel_bytes + 1
    window_bytes = max(_WORD_BYTES * window.height * window.width, _STEP_BYTES * steps)
    for pixels in _WINDOW_TILES:
        columns_bytes = (pixels - 1) * pixel_bytes + window_bytes
        if reach >= _PIXELS and columns_bytes <= _WINDOW_COLUMNS_BYTES:
            return pixels, columns_bytes
    # Gathers of pixels out of reach read what is not used, up to one reach behind the first.
    pixels = min(reach, _PIXELS)
    return pixels, max((pixels - 1) * pixel_bytes + window_bytes, _STEP_BYTES * (steps - 1) + _REACH_BYTES)


@_call.register
def _fully_connected(op: FullyConnected, graph: Graph) -> KernelCall | None:
    output_depth, input_depth = op.filter.shape
    multiplier, shift = op.requantization.multiplier, op.requantization.shift
    if op.filter_zero_point != 0 or shift.max() > 0:
        return None
    per_channel = multiplier.size == output_depth
    quads = -(-output_depth // _GROUP)
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
        row_work=(("quads", quads), ("steps", quads * -(-input_depth // _LANES))),
    )


@_call.register
def _add(op: Add, graph: Graph) -> KernelCall | None:
    return linear_add_call(op, graph, "mve", _HEADER)


@_call.register
def _average_pool_2d(op: AveragePool2D, graph: Graph) -> KernelCall | None:
    if op.window.height * op.window.width > _MOST_AVERAGED:
        return None
    return portable.taken_over(portable.kernel_call(graph, op), "mve", _HEADER)


@_call.register
def _max_pool_2d(op: MaxPool2D, graph: Graph) -> KernelCall | None:
    return portable.taken_over(portable.kernel_call(graph, op), "mve", _HEADER)


def accumulate_call(graph: Graph, op: Op) -> KernelCall:
    """Takes up a row of the image in the sums of its channels."""
    return portable.taken_over(portable.accumulate_call(graph, op), "mve", _HEADER)


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
    if shift.max() > 0 or np.any((shift == 0) & (multiplier != 0)):
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
        shifts = np.pad(shift.astype(np.int8), (0, -channels % _GROUP)).view("<i4")
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
    """``constants`` (kinds, channels) as (channels / 4, kinds * 4), with zeros up to a multiple of 4."""
    kinds, channels = constants.shape
    padded = np.pad(constants, ((0, 0), (0, -channels % _GROUP)))
    return padded.reshape(kinds, -1, _GROUP).transpose(1, 0, 2).reshape(-1, kinds * _GROUP)


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
