"""Requantization by one rounding of sums that have bits behind the point, where narrowing saturates.

Where no clamps but int8's are needed, the output for a sum a (bias not included) is

    ((a * 2^bits + offset) * multiplier >> 31) + 2^(FRACTION_BITS - 1) >> FRACTION_BITS, cut off at -128 and
    127

``bits`` are one for a layer; the finer they make the offset, the coarser is the multiplier. The ties of
negative numbers, away from zero, bend a staircase that goes on below the zero point: there are no such
constants then, as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.codegen.kernels.requantization.staircase import Int64Array, Staircase, Weighted

FRACTION_BITS = 12
_WIDEST_BITS = range(15, 5, -1)
_TRIES = (0, 1, -1, 2, -2, 3, -3)


@dataclass(frozen=True)
class FineSums:
    """``offset`` and ``multiplier`` of each channel, values of int32. Those of channels that have one output
    whatever their sum is are for sums of 0.
    """

    bits: int
    offset: Int64Array
    multiplier: Int64Array

    def outputs(self, sums: Int64Array) -> Int64Array:
        """The int8 outputs for ``sums`` without bias of shape (…, channels), as the kernels compute them."""
        product = (sums * 2**self.bits + self.offset) * self.multiplier >> 31
        rounded = (product + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
        return np.asarray(np.clip(rounded, -128, 127), np.int64)


def fine_sums(op: Weighted, stairs: Staircase, bias: Int64Array) -> FineSums | None:
    """The constants for ``stairs``, which are not clamped, of sums that ``bias`` is part of. None where a
    channel has none.
    """
    candidates = (_with_bits(op, stairs, bias, bits) for bits in _WIDEST_BITS)
    return next((found for found in candidates if found is not None), None)


def _with_bits(op: Weighted, stairs: Staircase, bias: Int64Array, bits: int) -> FineSums | None:
    """What the nearest multipliers come to."""
    scale_bits = FRACTION_BITS - bits + op.requantization.shift.astype(np.int64)
    real = op.requantization.multiplier * 2.0**scale_bits
    nearest = np.broadcast_to(np.rint(real).astype(np.int64), bias.shape)
    # Half of it is the byte.
    offset = np.where(stairs.is_flat, stairs.base << (FRACTION_BITS + 1), 0)
    multiplier = np.where(stairs.is_flat, 2**30, 0)
    found = stairs.is_flat
    for step in _TRIES:
        tried = np.clip(nearest + step, 1, 2**31 - 1)
        least, most = _offsets(stairs, bias, tried, bits)
        is_new = (least <= most) & ~found
        offset = np.where(is_new, (least + most) // 2 + (bias << bits), offset)
        multiplier = np.where(is_new, tried, multiplier)
        found = found | is_new
    return FineSums(bits, offset, multiplier) if found.all() else None


def _offsets(
    stairs: Staircase, bias: Int64Array, multiplier: Int64Array, bits: int
) -> tuple[Int64Array, Int64Array]:
    """The least and the most that may be added to (sum with bias) * 2^bits."""

    def least_line(levels: Int64Array) -> Int64Array:
        """The least that, multiplied, rounds up to those levels."""
        products = (levels << FRACTION_BITS) - (1 << (FRACTION_BITS - 1))
        return -(-(products << 31) // multiplier)

    least, most = stairs.offsets(stairs.sums << bits, least_line, saturates=True)
    # The sum and what is added to that without bias are int32.
    smallest = np.minimum(stairs.lowest << bits, bias << bits)
    largest = np.maximum(stairs.highest << bits, bias << bits)
    return np.maximum(least, -(2**31) - smallest), np.minimum(most, 2**31 - 1 - largest)
