"""Kernels for Advanced SIMD ("NEON") of firmware/kernels/neon: parameters and the order of weights.

They are proved for what they are given: a model whose sums could leave int32, or whose products in pairs
could leave int16, is run by the portable kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels import portable
from edgekit.codegen.kernels.requantization.staircase import Int64Array, Weighted, outputs
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    Struct,
    check_ranges,
    dims,
    int8,
    only,
    struct,
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
    Window,
)

_HEADER = "edgekit/ek_kernels_neon.h"
_VECTOR_BYTES = 16
_QUAD = 4
_TILE_PIXELS = 4
_AARCH32_TILE_PIXELS = 2
_TILE_CHANNELS = 16
_LARGEST_LEFT_SHIFT_OF_ADD = 22
_MOST_MERGED_CHANNELS = 64
_LEAST_POOL_CHANNELS = 8
# int8 whose sum fits int16.
_MOST_SUMMANDS = 256

Work: TypeAlias = dict[str, int]
"""How often a row does what its cost grows with (``KernelCall.row_work``)."""


def kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """How ``op`` runs on AArch64; None where the portable kernel is to run it."""
    return _kernel_call(graph, op, _Core(_TILE_PIXELS))


def dot_kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """The same on a core that has SDOT, too."""
    return _kernel_call(graph, op, _Core(_TILE_PIXELS, has_dot=True))


def aarch32_kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """The same on 32-bit Arm."""
    return _kernel_call(graph, op, _Core(_AARCH32_TILE_PIXELS))


@dataclass(frozen=True)
class _Core:
    """EK_NEON_TILE, and whether there is SDOT."""

    tile_pixels: int
    has_dot: bool = False


def _kernel_call(graph: Graph, op: Op, core: _Core) -> KernelCall | None:
    if isinstance(op, DepthwiseConv2D) and op.filter.shape[3] == op.depth_multiplier:
        # Of one input channel: an ordinary convolution.
        return _conv(op, op.filter.transpose(3, 1, 2, 0), op.window, _width(graph, op), core)
    if isinstance(op, DepthwiseConv2D):
        return _depthwise_conv(op, _width(graph, op), core) if op.depth_multiplier == 1 else None
    if isinstance(op, Conv2D):
        return _conv(op, op.filter, op.window, _width(graph, op), core)
    if isinstance(op, FullyConnected):
        pixel = Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
        filters = op.filter[:, np.newaxis, np.newaxis, :]
        return _conv(op, filters, pixel, _Widths(1, 1), core) if op.filter_zero_point == 0 else None
    if isinstance(op, AveragePool2D | MaxPool2D | Mean):
        return _pool(graph, op)
    return _add(graph, op) if isinstance(op, Add) else None


def accumulate_call(graph: Graph, op: AveragePool2D | Mean) -> KernelCall | None:
    """How a mean over an image takes up a row of it; None where the portable kernel is to do it."""
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    if width > _MOST_SUMMANDS or channels < _LEAST_POOL_CHANNELS:
        return None
    return portable.taken_over(portable.accumulate_call(graph, op), "neon", _HEADER)


def _pool(graph: Graph, op: AveragePool2D | MaxPool2D | Mean) -> KernelCall | None:
    _, _, width, channels = graph.tensors[op.inputs[0]].shape
    if isinstance(op, Mean):
        # Each row of it is summed up in 16 bits.
        fits = width <= _MOST_SUMMANDS and only(op.requantization.shift) <= 0
    else:
        fits = isinstance(op, MaxPool2D) or op.window.height * op.window.width <= _MOST_SUMMANDS
    if not fits or channels < _LEAST_POOL_CHANNELS:
        return None
    return portable.taken_over(portable.kernel_call(graph, op), "neon", _HEADER)


@dataclass(frozen=True)
class _Widths:
    """Pixels of a row."""

    input: int
    output: int


def _width(graph: Graph, op: Op) -> _Widths:
    return _Widths(graph.tensors[op.inputs[0]].shape[2], graph.tensors[op.output].shape[2])


@dataclass(frozen=True)
class _Stage:
    """What becomes of sums, (channels,) each. ``weights`` (channels, …) are those to multiply by."""

    weights: Int64Array
    bias: Int64Array
    multiplier: Int64Array
    shift: Int64Array
    general: bool


def _stage(op: Weighted, filters: NDArray[np.int8]) -> _Stage | None:
    """The stage of ``op`` for its ``filters`` (channels, …), None where a sum could leave int32.

    Bounds of a sum follow from the weights. A channel of which both bounds give one output always gives it:
    its weights become 0 and its factor 1, so that strange factors of dead channels cost nothing.
    """
    weights = filters.astype(np.int64)
    flat = weights.reshape(len(weights), -1)
    bias = op.bias.astype(np.int64) - op.input_zero_point * flat.sum(axis=1)
    low = bias + np.minimum(-128 * flat, 127 * flat).sum(axis=1)
    high = bias + np.maximum(-128 * flat, 127 * flat).sum(axis=1)
    multiplier = np.broadcast_to(op.requantization.multiplier, bias.shape).astype(np.int64)
    shift = np.broadcast_to(op.requantization.shift, bias.shape).astype(np.int64)
    # Partial sums are smaller than that; so is what a left shift and then the zero point make of it.
    largest = (np.abs(bias) + 128 * np.abs(flat).sum(axis=1)) * 2.0 ** np.maximum(shift, 0)
    if largest.max() >= 2**31 - 256:
        return None
    lowest_output, highest_output = (outputs(op, sums) for sums in (low, high))
    constant = lowest_output == highest_output
    weights = np.where(constant.reshape(-1, *(1,) * (weights.ndim - 1)), 0, weights)
    # c * 2^8 * 2^30 / 2^31 / 2^7 = c
    bias = np.where(constant, (lowest_output - op.output_zero_point) << 8, bias)
    multiplier = np.where(constant, 2**30, multiplier)
    shift = np.where(constant, -7, shift)
    general = bool(shift.max() > 0) or op.output_zero_point != op.activation_min
    return _Stage(weights, bias, multiplier, shift, general)


def _stage_struct(op: Weighted, stage: _Stage, multiple: int) -> Struct:
    """``ek_neon_stage`` with arrays whose length is a multiple of ``multiple``."""

    def per_channel(role: str, values: Int64Array) -> ConstantArray:
        padded = np.pad(values, (0, -len(values) % multiple))
        return ConstantArray(role, "int32_t", padded, f"{len(values)} channels")

    return struct(
        bias=per_channel("bias", stage.bias),
        multiplier=per_channel("multiplier", stage.multiplier),
        shift=per_channel("shift", stage.shift),
        general=Integer("uint8_t", int(stage.general)),
        zero_point=int8(op.output_zero_point),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )


@dataclass(frozen=True)
class _Copies:
    """``ek_neon_copies``; all but ``rows`` in bytes."""

    rows: int
    row: int
    left: int
    pitch: int

    @property
    def scratch_bytes(self) -> int:
        """For all of them, and what is filled behind the last."""
        return self.rows * self.pitch + _VECTOR_BYTES if self.rows else 0

    @property
    def work(self) -> Work:
        """What makes them: bytes of rows, and vectors beside them."""
        right = self.pitch - self.left - self.row
        vectors = -(-self.left // _VECTOR_BYTES) - (-right // _VECTOR_BYTES)
        return {"copies": self.rows, "copied": self.rows * self.row, "filled": self.rows * vectors}

    def struct(self, value: int) -> Struct:
        """As the kernels take them."""
        return struct(
            rows=uint32(self.rows),
            row_bytes=uint32(self.row),
            left_bytes=uint32(self.left),
            pitch_bytes=uint32(self.pitch),
            value=int8(value),
        )


def _copies(window: Window, row_bytes: int, channels: int, reach_bytes: int) -> _Copies:
    """Copies of a window's rows of ``row_bytes``, of which a kernel reads the first ``reach_bytes``, columns
    to the left included.
    """
    left = window.pad_left * channels
    copied = min(row_bytes, reach_bytes - left)
    pitch = reach_bytes + -reach_bytes % _VECTOR_BYTES
    return _Copies(window.height, copied, left, pitch)


def _conv(
    op: Weighted, filters: NDArray[np.int8], window: Window, width: _Widths, core: _Core
) -> KernelCall | None:
    """``filters`` are OHWI."""
    stage = _stage(op, filters)
    if stage is None:
        return None
    outputs, height, columns, channels = filters.shape
    # Columns side by side are one run.
    columns_a_run = columns if window.dilation_width == 1 else 1
    run_bytes = columns_a_run * channels
    padded_run = run_bytes + -run_bytes % _QUAD
    run_starts = [j * window.dilation_width * channels for j in range(0, columns, columns_a_run)]
    pixel_bytes = window.stride_width * channels
    reach = (width.output - 1) * pixel_bytes + run_starts[-1] + padded_run
    direct = height == 1 and window.pad_left == 0 and reach <= width.input * channels
    copies = _Copies(0, 0, 0, 0) if direct else _copies(window, width.input * channels, channels, reach)
    runs = stage.weights.reshape(outputs, -1, run_bytes)
    packed = (_dot_order if core.has_dot else _pair_order)(runs)
    if packed is None:
        return None
    offsets = np.array([i * copies.pitch + start for i in range(height) for start in run_starts])
    params = struct(
        copies=copies.struct(op.input_zero_point),
        width=uint32(width.output),
        channels=uint32(outputs),
        pixel_bytes=uint32(pixel_bytes),
        runs=uint32(len(offsets)),
        run_quads=uint32(padded_run // _QUAD),
        run_offsets=ConstantArray("run_offsets", "uint32_t", offsets, f"{len(offsets)} runs"),
        weights=ConstantArray("weights", "int8_t", packed, f"of OHWI {dims(filters.shape)}"),
        stage=_stage_struct(op, stage, _TILE_CHANNELS // 2),
    )
    name = "dot_conv" if core.has_dot else "conv"
    work = _conv_work(core, width.output, outputs, len(offsets), padded_run // _QUAD)
    return _call(op, name, params, copies, stage, work)


def _conv_work(core: _Core, width: int, outputs: int, runs: int, run_quads: int) -> Work:
    """Tiles of all pixels and single ones, by 16 channels and, where no more than 8 are left, by 8; the runs
    of each, and the steps of 16 and 4 bytes.
    """
    groups, left = divmod(outputs, _TILE_CHANNELS)
    is_narrow = 0 < left <= _TILE_CHANNELS // 2
    tiles, singles = divmod(width, core.tile_pixels)
    work = {"odd_pixels": width if outputs % (_TILE_CHANNELS // 2) else 0}
    for name, channels in (("wide", groups + (left > 0) - is_narrow), ("narrow", int(is_narrow))):
        for size, count in (("tiles", channels * tiles), ("singles", channels * singles)):
            work |= {
                f"{name}_{size}": count,
                f"{name}_{size}_runs": count * runs,
                f"{name}_{size}_sixteens": count * runs * (run_quads // _QUAD),
                f"{name}_{size}_fours": count * runs * (run_quads % _QUAD),
            }
    return work


def _tiles(runs: Int64Array) -> list[Int64Array]:
    """``runs`` (outputs, runs, bytes) as tiles of 16 or, in the end, 8 outputs:
    (runs, quads of bytes, quads of outputs, 4 outputs, 4 bytes) each, with zeros where there is nothing.
    """
    outputs, count, run_bytes = runs.shape
    padded = np.pad(runs, ((0, -outputs % (_TILE_CHANNELS // 2)), (0, 0), (0, -run_bytes % _QUAD)))
    return [
        padded[first : first + _TILE_CHANNELS]
        .reshape(-1, _QUAD, count, padded.shape[2] // _QUAD, _QUAD)
        .transpose(2, 3, 0, 1, 4)
        for first in range(0, len(padded), _TILE_CHANNELS)
    ]


def _dot_order(runs: Int64Array) -> Int64Array:
    return np.concatenate([tile.reshape(-1) for tile in _tiles(runs)])


def _pair_order(runs: Int64Array) -> Int64Array | None:
    """Pairs of bytes of 4 outputs, then the other pairs; None where the sum of two products could leave
    int16.
    """
    tiles = []
    for tile in _tiles(runs):
        pairs = tile.reshape(*tile.shape[:-1], 2, 2)
        if np.any(np.all(pairs == -128, axis=-2)):
            return None
        tiles.append(pairs.swapaxes(-2, -3).reshape(-1))
    return np.concatenate(tiles)


def _depthwise_conv(op: DepthwiseConv2D, width: _Widths, core: _Core) -> KernelCall | None:
    taps = op.filter[0].reshape(-1, op.filter.shape[3])  # (taps, channels)
    stage = _stage(op, np.ascontiguousarray(taps.T))
    if stage is None:
        return None
    window, channels = op.window, taps.shape[1]
    merged = _merged_pixels(window, channels)
    pixels = -(-width.output // merged)
    rounded = merged * channels + -(merged * channels) % _TILE_CHANNELS
    pixel_bytes = merged * window.stride_width * channels
    columns = (window.width - 1) * window.dilation_width * channels
    reach = (pixels - 1) * pixel_bytes + columns + rounded
    copies = _copies(window, width.input * channels, channels, reach)
    offsets = np.array(
        [
            i * copies.pitch + j * window.dilation_width * channels
            for i in range(window.height)
            for j in range(window.width)
        ]
    )
    offsets = np.pad(offsets, (0, len(offsets) % 2))
    weights = _tap_order(np.tile(stage.weights, (merged, 1)))
    if weights is None:
        return None
    repeated = replace(
        stage,
        bias=np.tile(stage.bias, merged),
        multiplier=np.tile(stage.multiplier, merged),
        shift=np.tile(stage.shift, merged),
    )
    params = struct(
        copies=copies.struct(op.input_zero_point),
        row_bytes=uint32(width.output * channels),
        channels=uint32(merged * channels),
        pixel_bytes=uint32(pixel_bytes),
        tap_pairs=uint32(len(offsets) // 2),
        tap_offsets=ConstantArray("tap_offsets", "uint32_t", offsets, f"{len(taps)} taps"),
        weights=ConstantArray("weights", "int8_t", weights, f"of HWO {dims(op.filter.shape[1:])}"),
        stage=_stage_struct(op, repeated, _TILE_CHANNELS),
    )
    groups = rounded // _TILE_CHANNELS
    work = {"odd_pixels": pixels if merged * channels % _TILE_CHANNELS else 0}
    for size, count in _depthwise_tiles(core, width.output // merged).items():
        work |= {f"tiles_of_{size}": groups * count, f"pairs_of_{size}": groups * count * (len(offsets) // 2)}
    if width.output % merged:  # The last pixel is only partly there: so many of its groups are.
        present = -(-(width.output % merged) * channels // _TILE_CHANNELS)
        work |= {"last": present, "last_pairs": present * (len(offsets) // 2)}
    return _call(op, "depthwise_conv", params, copies, stage, work)


def _depthwise_tiles(core: _Core, pixels: int) -> dict[int, int]:
    """How many tiles of each size a row takes."""
    tiles = {}
    for size in (4, 2, 1):
        if size <= core.tile_pixels:
            tiles[size], pixels = divmod(pixels, size)
    return tiles


def _merged_pixels(window: Window, channels: int) -> int:
    """How many neighbouring pixels to see as one, so that their channels fill vectors."""
    merged = _TILE_CHANNELS // int(np.gcd(_TILE_CHANNELS, channels))
    fits = window.stride_width == 1 and merged * channels <= _MOST_MERGED_CHANNELS
    return merged if fits else 1


def _tap_order(weights: Int64Array) -> Int64Array | None:
    """``weights`` (channels, taps) as (tiles of 16 channels, taps, 16); None where the sum of a pair of
    products could leave int16.
    """
    channels, taps = weights.shape
    padded = np.pad(weights, ((0, -channels % _TILE_CHANNELS), (0, taps % 2)))
    if np.any(np.all(padded.reshape(len(padded), -1, 2) == -128, axis=-1)):
        return None
    return padded.reshape(-1, _TILE_CHANNELS, padded.shape[1]).transpose(0, 2, 1).reshape(-1)


def _call(op: Weighted, name: str, params: Struct, copies: _Copies, stage: _Stage, work: Work) -> KernelCall:
    check_ranges(op, params)
    return KernelCall(
        function=f"ek_neon_{name}_s8",
        source=f"kernels/neon/{name}.c",
        params_type="ek_neon_conv" if name == "dot_conv" else f"ek_neon_{name}",
        params=params,
        header=_HEADER,
        scratch_bytes=copies.scratch_bytes,
        outside=op.input_zero_point,
        variant="general" if stage.general else "",
        row_work=tuple({**work, **copies.work}.items()),
    )


def _add(graph: Graph, op: Add) -> KernelCall | None:
    factors = (*op.input_requantizations, op.output_requantization)
    shifts = [only(factor.shift) for factor in factors]
    if max(shifts) > 0 or op.left_shift > _LARGEST_LEFT_SHIFT_OF_ADD:
        return None
    return portable.taken_over(portable.kernel_call(graph, op), "neon", _HEADER)
