"""Requantization by one long multiplication, for cores whose multiplication gives 64 bits.

Where ties of negative numbers do not show (they are below the lower clamp, as with a fused ReLU), the output
for a sum a nearly always is

    clamp(floor(((a + delta) * multiplier + addend * 2^unit_bits) / 2^(32 + FRACTION_BITS)), -128, 127)

for some constants: SMMLA and SSAT compute it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.kernels.requantization.staircase import BoolArray, Int64Array, Staircase, Weighted

FRACTION_BITS = 2
"""Bits of the result behind the point where ``unit_bits`` is 32."""

MAX_DELTA = (1 << 22) - 1
"""Largest ``delta``."""

_SCALE_BITS = 32 + FRACTION_BITS
_SUM_LIMIT = np.int64(1) << 30
# Factors that are tried on either side of the real one; as many steps move the last edge by one sum.
_TRIES = 16
_STEPS = 16
# Those of them, the best ones, for which an offset is looked for.
_FACTORS = 6


@dataclass(frozen=True)
class OneFactor:
    """The constants, one an output channel."""

    delta: Int64Array
    multiplier: Int64Array
    addend: Int64Array

    def outputs(self, sums: Int64Array, unit_bits: Int64Array) -> Int64Array:
        """The int8 outputs for ``sums`` of shape (…, channels), as the kernels compute them."""
        scaled = (sums + self.delta) * self.multiplier + (self.addend << unit_bits)
        return np.asarray(np.clip(scaled >> _SCALE_BITS, -128, 127), np.int64)


def one_factor(op: Weighted, stairs: Staircase, unit_bits: Int64Array) -> OneFactor | None:
    """The constants for ``stairs``, which are not clamped: the activation's clamp is not part of it.

    None where a channel has no constants, or where a sum could wrap around when it is doubled.
    """
    is_right = stairs.is_flat
    shift = np.broadcast_to(op.requantization.shift, is_right.shape).astype(np.int64)
    largest = np.maximum(-stairs.lowest, stairs.highest) + MAX_DELTA
    real = np.broadcast_to(op.requantization.multiplier, is_right.shape) * 2.0 ** (shift - 31 + _SCALE_BITS)
    real = np.where(is_right, 0.0, real)
    if ((largest >= _SUM_LIMIT >> np.maximum(shift, 0)) & ~is_right).any() or (real >= 2.0**31).any():
        return None
    delta, multiplier = np.zeros_like(stairs.lowest), np.zeros_like(stairs.lowest)
    addend = stairs.base << (_SCALE_BITS - unit_bits)
    for factor in _factors(stairs, real)[:_FACTORS]:
        new_delta, new_addend, fits = _split(factor, *_offsets(stairs, factor), unit_bits, ~is_right)
        delta, addend = np.where(fits, new_delta, delta), np.where(fits, new_addend, addend)
        multiplier, is_right = np.where(fits, factor, multiplier), is_right | fits
        if is_right.all():
            return OneFactor(delta, multiplier, addend)
    return None


def _offsets(stairs: Staircase, factor: Int64Array) -> tuple[Int64Array, Int64Array]:
    return stairs.offsets(stairs.sums * factor, lambda levels: levels << _SCALE_BITS, saturates=True)


def _factors(stairs: Staircase, real: NDArray[np.float64]) -> Int64Array:
    """Factors near the ``real`` ones, those first that leave their channel's offset the most room."""
    furthest = np.maximum(np.abs(stairs.first_edge), np.abs(stairs.last_edge))
    furthest = np.where(stairs.is_flat, 1, np.maximum(furthest, 1))
    step = np.maximum(real / (furthest * _STEPS), 1.0)
    near = np.rint(real + np.arange(-_TRIES, _TRIES + 1)[:, None] * step)
    factors = np.clip(near, 0, 2.0**31 - 1).astype(np.int64)
    room = np.array([most - least for least, most in (_offsets(stairs, factor) for factor in factors)])
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
