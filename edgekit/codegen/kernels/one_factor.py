"""Requantization by one long multiplication, for cores whose multiplication gives 64 bits.

What an output channel makes of its sum a, ``clamp(Q(a) + zero_point, -128, 127)``, is a staircase. Where ties
of negative numbers do not show (they are below the lower clamp, as with a fused ReLU), it nearly always is

    clamp(floor(((a + delta) * multiplier + addend * 2^unit_bits) / 2^(32 + FRACTION_BITS)), -128, 127)

for some constants: SMMLA and SSAT compute it. The search takes constants that are right at both sides of
every edge of the staircase; as both functions only grow in between, they are then equal everywhere. Nothing
is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels.two_factors import BoolArray, Int64Array, Weighted, outputs

FRACTION_BITS = 2
"""Bits of the result behind the point where ``unit_bits`` is 32."""

MAX_DELTA = (1 << 22) - 1
"""Largest ``delta``."""

_SCALE_BITS = 32 + FRACTION_BITS
_LEVELS = np.arange(-127, 128)[:, None]
_NEVER = np.int64(1) << 62
_SUM_LIMIT = np.int64(1) << 30
# Factors that are tried on either side of the real one; as many steps move the last edge by one sum.
_TRIES = 16
_STEPS = 16
# Those of them, the best ones, for which an offset is looked for.
_FACTORS = 6


@dataclass(frozen=True)
class OneFactor:
    """The constants, one an output channel. ``is_flat`` channels have one output whatever their sum."""

    delta: Int64Array
    multiplier: Int64Array
    addend: Int64Array
    is_flat: BoolArray

    def outputs(self, sums: Int64Array, unit_bits: Int64Array) -> Int64Array:
        """The int8 outputs for ``sums`` of shape (…, channels), as the kernels compute them."""
        scaled = (sums + self.delta) * self.multiplier + (self.addend << unit_bits)
        return np.asarray(np.clip(scaled >> _SCALE_BITS, -128, 127), np.int64)


def one_factor(
    op: Weighted, lowest: Int64Array, highest: Int64Array, unit_bits: Int64Array
) -> OneFactor | None:
    """The constants for sums of ``lowest`` to ``highest``, bias included, all of shape (channels,).

    The activation's clamp is not part of it. None where a channel has no constants, or where a sum or its
    left shift could wrap around in int32.
    """
    edges = staircase(op, lowest, highest)
    if edges is None:
        return None
    shift = np.broadcast_to(op.requantization.shift, lowest.shape)
    real = np.broadcast_to(op.requantization.multiplier, lowest.shape) * 2.0 ** (shift - 31 + _SCALE_BITS)
    real = np.where(edges.is_flat, 0.0, real)
    if (real >= 2.0**31).any():
        return None
    delta, multiplier = np.zeros_like(lowest), np.zeros_like(lowest)
    addend = edges.base << (_SCALE_BITS - unit_bits)
    is_right = edges.is_flat
    for factor in _factors(edges, real)[:_FACTORS]:
        new_delta, new_addend, fits = _split(factor, *edges.offsets(factor), unit_bits, ~is_right)
        delta, addend = np.where(fits, new_delta, delta), np.where(fits, new_addend, addend)
        multiplier, is_right = np.where(fits, factor, multiplier), is_right | fits
        if is_right.all():
            return OneFactor(delta, multiplier, addend, edges.is_flat)
    return None


@dataclass(frozen=True)
class Staircase:
    """For each level from -127 to 127 (rows) and channel: the least sum that reaches it, ``sums``, where
    ``exists`` says that some sum does and some does not. ``base`` is the lowest output.
    """

    sums: Int64Array
    exists: BoolArray
    base: Int64Array

    @property
    def is_flat(self) -> BoolArray:
        """The channels with one output only."""
        return np.asarray(~self.exists.any(axis=0))

    def offsets(self, factor: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Least and greatest offset with which sum * ``factor`` + offset is right at all edges; the latter is
        the smaller one where none is.
        """
        wanted = _LEVELS.astype(np.int64) << _SCALE_BITS
        least = np.where(self.exists, wanted - self.sums * factor, -_NEVER).max(axis=0)
        most = np.where(self.exists, wanted - (self.sums - 1) * factor - 1, _NEVER).min(axis=0)
        return least, most


def staircase(op: Weighted, lowest: Int64Array, highest: Int64Array) -> Staircase | None:
    """The edges between sums of ``lowest`` and ``highest``, found by bisection.

    None where a sum of a channel with several outputs, doubled and shifted to the left as its factor wants,
    could wrap around in int32.
    """
    shift = np.maximum(op.requantization.shift.astype(np.int64), 0)
    if (np.maximum(-lowest, highest) >= 2 * _SUM_LIMIT >> shift).any():
        return None
    op = replace(op, activation_min=-128, activation_max=127)
    base, top = outputs(op, lowest), outputs(op, highest)
    exists = np.asarray((base < _LEVELS) & (top >= _LEVELS))
    is_large = np.maximum(-lowest, highest) + MAX_DELTA >= _SUM_LIMIT >> shift
    if (is_large & exists.any(axis=0)).any():
        return None
    below = np.broadcast_to(lowest, exists.shape)
    above = np.broadcast_to(highest, exists.shape)
    while (above - below > 1).any():
        middle = (below + above) >> 1
        reached = outputs(op, middle) >= _LEVELS
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return Staircase(above, exists, base)


def _factors(edges: Staircase, real: NDArray[np.float64]) -> Int64Array:
    """Factors near the ``real`` ones, those first that leave their channel's offset the most room."""
    last = np.where(edges.exists, np.abs(edges.sums), 1).max(axis=0)
    step = np.maximum(real / (last * _STEPS), 1.0)
    near = np.rint(real + np.arange(-_TRIES, _TRIES + 1)[:, None] * step)
    factors = np.clip(near, 0, 2.0**31 - 1).astype(np.int64)
    room = np.array([most - least for least, most in map(edges.offsets, factors)])
    return np.take_along_axis(factors, np.argsort(-room, axis=0, kind="stable"), axis=0)


def _split(
    factor: Int64Array, least: Int64Array, most: Int64Array, unit_bits: Int64Array, wanted: BoolArray
) -> tuple[Int64Array, Int64Array, BoolArray]:
    """The smallest ``delta`` and an ``addend`` with delta * factor + (addend << unit_bits) in least..most for
    the ``wanted`` channels, and for which there are such. Multiples of the factor reach what lies between
    multiples of the addend's unit.
    """
    delta, addend = np.zeros_like(factor), np.zeros_like(factor)
    is_right = np.zeros(factor.shape, np.bool_)
    for channel in np.flatnonzero(wanted & (least <= most)):
        unit = 1 << int(unit_bits[channel])
        low, high = int(least[channel]), int(most[channel])
        wraps = low // unit != high // unit
        found = 0 if wraps else _first_multiple(int(factor[channel]), unit, low % unit, high % unit)
        if found is not None and found <= MAX_DELTA:
            is_right[channel] = True
            delta[channel] = found
            addend[channel] = (high - found * int(factor[channel])) // unit
    return delta, addend, is_right


def _first_multiple(factor: int, modulus: int, low: int, high: int) -> int | None:
    """The smallest x >= 0 with low <= factor * x mod modulus <= high, for 0 <= low <= high < modulus.

    Where no multiple below the modulus is in the range, the number of times that it is passed is the answer
    to a smaller question of the same kind, as in Euclid's algorithm.
    """
    if low == 0:
        return 0
    factor %= modulus
    if factor == 0:
        return None
    if 2 * factor > modulus:
        return _first_multiple(modulus - factor, modulus, modulus - high, modulus - low)
    first = -(-low // factor)
    if first * factor <= high:
        return first
    passes = _first_multiple(modulus % factor, factor, -high % factor, -low % factor)
    return None if passes is None else -(-(low + modulus * passes) // factor)
