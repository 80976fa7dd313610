"""ADD by one multiplication an operand (``ek_linear_add``), as several instruction sets have kernels for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels.values import (
    Integer,
    KernelCall,
    array,
    check_ranges,
    int8,
    only,
    struct,
    uint32,
)
from edgekit.codegen.rows import own_rows
from edgekit.graph import arithmetic
from edgekit.graph.ir import Add, Graph

_LARGEST_SHIFT = 24
_LEAST_SHIFT = 18
_TRIES = 3


def linear_add_call(op: Add, graph: Graph, kernels: str, header: str) -> KernelCall | None:
    """How ``op`` runs with ``kernels``, a folder of firmware/kernels/; None where no constants were found.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    constants = add_constants(op)
    if constants is None:
        return None
    first, second, offset, shift = constants
    params = struct(
        size=uint32(own_rows(graph.tensors[op.output]).row_bytes),
        multipliers=array((Integer("int32_t", first), Integer("int32_t", second))),
        offset=Integer("int32_t", offset),
        shift=Integer("uint8_t", shift),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )
    check_ranges(op, params)
    return KernelCall(
        f"ek_{kernels}_add_s8", f"kernels/{kernels}/add.c", "ek_linear_add", params, header=header
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
    tries = range(-_TRIES, _TRIES + 1)
    near = sorted(((a, b) for a in tries for b in tries), key=lambda pair: abs(pair[0]) + abs(pair[1]))
    for shift in range(_LARGEST_SHIFT, 0, -1):
        first, second = (round(factor * 2.0**shift) for factor in factors)
        if 255 * (abs(first) + abs(second)) >= 2**32:
            continue
        for a, b in near:
            offset = _offset(first + a, second + b, shift, wanted)
            if offset is not None:
                return first + a, second + b, offset, shift
        if shift < _LEAST_SHIFT:
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


def _offset(first: int, second: int, shift: int, wanted: NDArray[np.int32]) -> int | None:
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
