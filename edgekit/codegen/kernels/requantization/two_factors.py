"""Requantization by two multiplications of 32 bits, for cores without a long multiplication.

Seen from the lower end of the staircase, x = a - origin, the output for a sum a equals

    (x * whole + (x * fraction >> FRACTION_BITS) + offset) mod 2^32 >> 24        for x in 0..x_max

with x cut off at both ends of that range. Ties of negative numbers are rounded the other way: where a clamp
does not hide them, ``drop`` is taken off the offset for negative a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.codegen.kernels.requantization.staircase import BoolArray, Int64Array, Staircase, Weighted

FRACTION_BITS = 13
"""Bits of the factor behind the point. x has at most 32 - FRACTION_BITS bits."""

_LEVEL_BITS = 24
_WORD = np.int64(1) << 32
# How far from the real factor constants are looked for, in units of its last bit.
_FURTHEST = 8


@dataclass(frozen=True)
class TwoFactors:
    """The constants, one an output channel: values of uint32, ``origin`` of int32."""

    origin: Int64Array
    x_max: Int64Array
    whole: Int64Array
    fraction: Int64Array
    offset: Int64Array
    drop: Int64Array

    def outputs(self, sums: Int64Array) -> Int64Array:
        """The int8 outputs for ``sums`` of shape (…, channels), as the kernels compute them."""
        x = np.clip(sums - self.origin, 0, self.x_max)
        result = x * self.whole + (x * self.fraction >> FRACTION_BITS) + self.offset
        result = (result - np.where(x < -self.origin, self.drop, 0)) % _WORD
        return np.asarray((result >> _LEVEL_BITS).astype(np.int8), np.int64)


def two_factors(op: Weighted, stairs: Staircase) -> TwoFactors | None:
    """The constants for ``stairs``; None where a channel has none."""
    origin = np.where(stairs.is_flat, stairs.lowest, stairs.first_edge - 1)
    x_max = np.where(stairs.is_flat, 0, stairs.last_edge - origin)
    shift = np.broadcast_to(op.requantization.shift, origin.shape).astype(np.int64)
    factor = np.broadcast_to(op.requantization.multiplier, origin.shape) * 2.0 ** (shift - 31)
    factor = np.where(stairs.is_flat, 0.0, np.rint(factor * 2.0 ** (_LEVEL_BITS + FRACTION_BITS)))
    if (x_max >> (32 - FRACTION_BITS)).any() or (factor >= 2.0 ** (32 + FRACTION_BITS)).any():
        return None
    return _fitting(stairs, origin, x_max, factor.astype(np.int64))


def _fitting(
    stairs: Staircase, origin: Int64Array, x_max: Int64Array, factor: Int64Array
) -> TwoFactors | None:
    """The first constants that are right at all points, ``factor`` being the real one."""
    x = np.clip(stairs.sums - origin, 0, x_max)
    chosen = np.full_like(factor, -1)
    offset, drop = np.zeros_like(factor), np.zeros_like(factor)
    is_negative = x < -origin
    for needs_drop in (False, True):
        for distance in sorted(range(-_FURTHEST, _FURTHEST + 1), key=abs):
            candidate = np.maximum(factor + distance, 0)
            found, is_right = _offset(stairs, x, candidate, ~is_negative if needs_drop else None)
            fall = np.zeros_like(found)
            if needs_drop:
                found_below, is_right_below = _offset(stairs, x, candidate, is_negative)
                fall, is_right = found - found_below, is_right & is_right_below
            better = (chosen < 0) & is_right
            chosen = np.where(better, candidate, chosen)
            offset, drop = np.where(better, found, offset), np.where(better, fall, drop)
    if (chosen < 0).any():
        return None
    level = (stairs.base & 0xFF) << _LEVEL_BITS
    whole, fraction = chosen >> FRACTION_BITS, chosen & ((1 << FRACTION_BITS) - 1)
    return TwoFactors(origin, x_max, whole, fraction, (offset + level) % _WORD, drop % _WORD)


def _offset(
    stairs: Staircase, x: Int64Array, factor: Int64Array, counts: BoolArray | None
) -> tuple[Int64Array, BoolArray]:
    """The offset with which ``factor`` is right at the points that count, and whether there is one."""
    line = x * (factor >> FRACTION_BITS) + (x * (factor & ((1 << FRACTION_BITS) - 1)) >> FRACTION_BITS)
    least, most = stairs.offsets(
        line, lambda levels: (levels - stairs.base) << _LEVEL_BITS, counts, saturates=False
    )
    # Where no point counts, any offset is right.
    least, most = np.maximum(least, -_WORD), np.minimum(most, _WORD)
    return (least + most) >> 1, np.asarray(least <= most)
