"""The kernels for Helium (Armv8.1-M's vectors, "mve"): those of firmware/kernels/mve/.

They run convolutions, 3x3 depthwise convolutions, fully connected layers, additions and averages of the usual
kind; what is not usual here is left to other kernels. The parameters are those of ``ek_kernels_mve.h``.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels.fine_sums import fine_sums
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
_SUM_BYTES = 4
_POINTER_BYTES = 4
_DEPTHWISE_SCRATCH_BYTES = 1088

_DEPTHWISE_TAPS = 3
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
    filters, depth = op.filter.shape[0], int(np.prod(op.filter.shape[1:]))
    is_grouped = graph.tensors[op.inputs[0]].shape[3] != op.filter.shape[3]
    stage = _stage(op, op.filter.reshape(filters, depth))
    if stage is None or is_grouped or window.dilation_width != 1 or not _meets_columns(op, graph):
        return None
    is_pixel = (window.height, window.width) == (1, 1)
    sums_bytes = (filters + filters % 2) * _PIXELS * _SUM_BYTES
    name = "conv_2d_1x1" if is_pixel else "conv_2d"
    files = (*(() if is_pixel else ("copy_windows.S",)), "dot_tile.S", "requantize.S")
    weights = _in_pairs(op.filter.reshape(filters, depth))
    return KernelCall(
        f"ek_mve_{name}_s8",
        f"{_FOLDER}/{name}.c",
        "ek_mve_conv_2d",
        struct(
            input=_row_shape(graph, op.inputs[0]),
            output=_row_shape(graph, op.output),
            window=_window(window),
            input_zero_point=int8(op.input_zero_point),
            weights=ConstantArray(
                "weights", "int8_t", weights, f"{dims(weights.shape)} of {filters}x{depth}"
            ),
            stage=stage,
        ),
        header=_HEADER,
        more_sources=tuple(f"{_FOLDER}/{file}" for file in files),
        scratch_bytes=sums_bytes + (0 if is_pixel else _PIXELS * depth + _staged_bytes(op)),
        alignment=_alignment(filters),
        outside=None if is_pixel else op.input_zero_point,
        tile_pixels=_PIXELS,
    )


def _staged_bytes(op: Conv2D) -> int:
    """The rows of four windows and a pointer to each."""
    window = op.window
    columns = (_PIXELS - 1) * window.stride_width + window.width
    return window.height * (columns * int(op.filter.shape[3]) + _POINTER_BYTES)


@_call.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> KernelCall | None:
    window = op.window
    channels = op.filter.shape[3]
    weights = op.filter[0].transpose(2, 0, 1)
    is_usual = (
        (window.height, window.width) == (_DEPTHWISE_TAPS, _DEPTHWISE_TAPS)
        and window.stride_width in {1, 2}
        and window.dilation_width == 1
        and window.pad_left <= 1
        and op.depth_multiplier == 1
    )
    stage = _stage(op, weights.reshape(channels, -1))
    if stage is None or not is_usual or not _meets_columns(op, graph):
        return None
    return KernelCall(
        "ek_mve_depthwise_conv_2d_s8",
        f"{_FOLDER}/depthwise_conv_2d.c",
        "ek_mve_depthwise_conv_2d",
        struct(
            input=_row_shape(graph, op.inputs[0]),
            output=_row_shape(graph, op.output),
            window=_window(window),
            input_zero_point=int8(op.input_zero_point),
            weights=ConstantArray("weights", "int8_t", weights, f"OHW {dims(weights.shape)}"),
            stage=stage,
        ),
        header=_HEADER,
        more_sources=(f"{_FOLDER}/dot_taps.S", f"{_FOLDER}/interleave.S", f"{_FOLDER}/requantize.S"),
        scratch_bytes=_DEPTHWISE_SCRATCH_BYTES,
        alignment=_alignment(channels),
        outside=op.input_zero_point,
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


def _stage(op: Conv2D | DepthwiseConv2D, weights: NDArray[np.int8]) -> Struct | None:
    """``ek_mve_stage`` of ``op`` with ``weights`` (O, taps); None where it takes no such factors."""
    channels = op.bias.size
    multiplier = np.broadcast_to(op.requantization.multiplier, channels)
    shift = np.broadcast_to(op.requantization.shift, channels)
    is_visible = op.activation_min < op.output_zero_point
    bias = _folded_bias(op, weights)
    # Without a shift there is no tie, and no room for the zero point on top of the largest int32.
    if channels < _GROUP or shift.max() > 0 or np.any((shift == 0) & (multiplier != 0)):
        return None
    general = (bias, multiplier, shift)
    saturates = (op.output_zero_point, op.activation_min, op.activation_max) == (-128, -128, 127)
    fine = fine_sums(*general, weights) if saturates and channels % _GROUP == 0 else None
    starts = [0, *range(channels % _GROUP or _GROUP, channels, _GROUP)]
    groups = []
    for start in starts:
        group = slice(start, start + _GROUP)
        if fine is not None and fine.found[group].all():
            groups.append(np.concatenate([fine.offset[group], fine.multiplier[group], [0]]))
        else:
            shifts = np.ascontiguousarray(shift[group].astype(np.int8)).view("<i4")
            groups.append(np.concatenate([bias[group], multiplier[group], shifts]))
    factors = np.stack(groups).astype(np.int32)
    return struct(
        factors=ConstantArray(
            "factors", "int32_t", factors, f"{len(starts)} groups of 4 of {channels} channels"
        ),
        rounds_ties_away=Integer("uint8_t", int(is_visible)),
        sum_bits=Integer("uint8_t", fine.bits if fine is not None else 0),
        zero_point=int8(op.output_zero_point),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )


def _folded_bias(
    op: Conv2D | DepthwiseConv2D | FullyConnected, weights: NDArray[np.int8]
) -> NDArray[np.int32]:
    """The biases with the input's zero point in them, modulo 2^32; ``weights`` are (O, taps)."""
    sums = weights.astype(np.int64).sum(axis=1)
    folded: NDArray[np.int64] = op.bias.astype(np.int64) - op.input_zero_point * sums
    return folded.astype(np.int32)


def _in_pairs(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """``weights`` (O, depth) as (pairs, steps, 2, 16): see ``ek_mve_conv_2d``."""
    filters, depth = weights.shape
    padded = np.pad(weights, ((0, filters % 2), (-depth % _LANES, 0)))
    return padded.reshape((filters + 1) // 2, 2, -1, _LANES).transpose(0, 2, 1, 3)


def _meets_columns(op: Conv2D | DepthwiseConv2D, graph: Graph) -> bool:
    """Whether each window has a column inside the input."""
    window = op.window
    width, columns = (graph.tensors[index].shape[2] for index in (op.inputs[0], op.output))
    last = (columns - 1) * window.stride_width - window.pad_left
    return window.pad_left < window.width and last < width


def _alignment(channels: int) -> int:
    """Of rows: words of four channels are stored where their number allows it."""
    return _GROUP if channels % _GROUP == 0 else 1


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
