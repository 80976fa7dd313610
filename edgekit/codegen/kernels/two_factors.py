"""Requantization by two multiplications of 32 bits, for cores without a long multiplication.

What an output channel makes of its sum a, ``clamp(Q(a) + zero_point)``, is a staircase of at most 256
levels. Seen from the lower end of the staircase, x = a - origin, it equals

    (x * whole + (x * fraction >> FRACTION_BITS) + offset) mod 2^32 >> 24        for x in 0..x_max

with x cut off at both ends of that range. Ties of negative numbers are rounded the other way: where a clamp
does not hide them, ``drop`` is taken off the offset for negative a.

The search for such constants starts from the real factor and takes what is right at both sides of every
edge of the staircase; as both functions only grow in between, they are then equal everywhere. Nothing is
sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.graph import arithmetic
from edgekit.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected

Int64Array: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Weighted: TypeAlias = Conv2D | DepthwiseConv2D | FullyConnected

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


def two_factors(op: Weighted, lowest: Int64Array, highest: Int64Array) -> TwoFactors | None:
    """The constants for sums of ``lowest`` to ``highest``, bias included; both of shape (channels,).

    None where a sum or its left shift could wrap around in int32, or where a channel has no constants.
    """
    shift = np.broadcast_to(op.requantization.shift, lowest.shape).astype(np.int64)
    limit = (2**31 - 256) >> np.maximum(shift, 0)
    if (lowest < -limit).any() or (highest > limit).any():
        return None
    points = _points(op, lowest, highest)
    factor = np.broadcast_to(op.requantization.multiplier, lowest.shape) * 2.0 ** (shift - 31)
    factor = np.where(points.is_flat, 0.0, np.rint(factor * 2.0 ** (_LEVEL_BITS + FRACTION_BITS)))
    if (points.x_max >> (32 - FRACTION_BITS)).any() or (factor >= 2.0 ** (32 + FRACTION_BITS)).any():
        return None
    return _fitting(points, factor.astype(np.int64))


def outputs(op: Weighted, sums: Int64Array) -> Int64Array:
    """What TensorFlow Lite Micro makes of ``sums`` of shape (…, channels), bias included."""
    scaled = arithmetic.multiply_by_quantized_multiplier(
        sums.astype(np.int32), op.requantization.multiplier, op.requantization.shift
    )
    shifted = scaled.astype(np.int64) + op.output_zero_point
    return np.asarray(np.clip(shifted, op.activation_min, op.activation_max), np.int64)


@dataclass(frozen=True)
class _Points:
    """Where a growing function must be right to be right everywhere: ``x`` of shape (points, channels), at
    which ``level`` is the output less ``base``, the lowest one.
    """

    origin: Int64Array
    x_max: Int64Array
    base: Int64Array
    x: Int64Array
    level: Int64Array

    @property
    def is_flat(self) -> BoolArray:
        """The channels with one output only."""
        return np.asarray(self.level.max(axis=0) == 0)


def _points(op: Weighted, lowest: Int64Array, highest: Int64Array) -> _Points:
    """Both sides of each edge, found by bisection, and both sides of a = 0."""
    base = outputs(op, lowest)
    steps = outputs(op, highest) - base
    levels = base + 1 + np.arange(int(max(steps.max(), 1)))[:, None]
    below = np.broadcast_to(lowest, levels.shape)
    above = np.broadcast_to(highest, levels.shape)
    while (above - below > 1).any():
        middle = (below + above) >> 1
        reached = outputs(op, middle) >= levels
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    origin = np.where(steps > 0, above[0] - 1, lowest)
    exists = np.arange(len(levels))[:, None] < steps
    edges = np.where(exists, above - origin, 0)
    x_max = edges.max(axis=0)
    x = np.concatenate([edges, edges - 1, -origin[None], -origin[None] - 1])
    x = np.clip(x, 0, x_max)
    return _Points(origin, x_max, base, x, outputs(op, x + origin) - base)


def _fitting(points: _Points, factor: Int64Array) -> TwoFactors | None:
    """The first constants that are right at all points, ``factor`` being the real one."""
    chosen = np.full_like(factor, -1)
    offset, drop = np.zeros_like(factor), np.zeros_like(factor)
    is_negative = points.x < -points.origin
    everywhere = np.ones_like(is_negative)
    for needs_drop in (False, True):
        for distance in sorted(range(-_FURTHEST, _FURTHEST + 1), key=abs):
            candidate = np.maximum(factor + distance, 0)
            found, is_right = _offset(candidate, points, ~is_negative if needs_drop else everywhere)
            fall = np.zeros_like(found)
            if needs_drop:
                found_below, is_right_below = _offset(candidate, points, is_negative)
                fall, is_right = found - found_below, is_right & is_right_below
            better = (chosen < 0) & is_right
            chosen = np.where(better, candidate, chosen)
            offset, drop = np.where(better, found, offset), np.where(better, fall, drop)
    if (chosen < 0).any():
        return None
    level = (points.base & 0xFF) << _LEVEL_BITS
    whole, fraction = chosen >> FRACTION_BITS, chosen & ((1 << FRACTION_BITS) - 1)
    return TwoFactors(points.origin, points.x_max, whole, fraction, (offset + level) % _WORD, drop % _WORD)


def _offset(factor: Int64Array, points: _Points, counts: BoolArray) -> tuple[Int64Array, BoolArray]:
    """The offset with which ``factor`` is right at the points that count, and whether there is one."""
    x = points.x
    scaled = x * (factor >> FRACTION_BITS) + (x * (factor & ((1 << FRACTION_BITS) - 1)) >> FRACTION_BITS)
    wanted = (points.level << _LEVEL_BITS) - scaled
    least = np.where(counts, wanted, -_WORD).max(axis=0)
    most = np.where(counts, wanted + (1 << _LEVEL_BITS) - 1, _WORD).min(axis=0)
    return (least + most) >> 1, np.asarray(least <= most)
