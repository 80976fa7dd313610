"""Requantization by one rounding of sums that have bits behind the point, where narrowing saturates.

Where an output channel has the zero point -128 and no clamps but int8's, its byte is 0..255 above -128. For
all sums a that it can have (bias not included), that number is

    (((a * 2^bits + offset) * multiplier >> 31) + 2^(FRACTION_BITS - 1) >> FRACTION_BITS, cut off at 0 and 255

if it is right on both sides of every edge of the staircase that the double rounding makes, because both only
grow in between. ``bits`` are one for a layer; the finer they make the offset, the coarser is the multiplier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 8
_LEVELS = np.arange(1, 256, dtype=np.int64)
_WIDEST_BITS = range(12, 5, -1)
_TRIES = (0, 1, -1, 2, -2, 3, -3)
# No sum is as large, and no constraint as tight.
_BEYOND = np.int64(1) << 60


@dataclass(frozen=True)
class FineSums:
    """``offset`` and ``multiplier`` of each channel, int32; ``found`` says where they are right."""

    bits: int
    offset: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    found: NDArray[np.bool_]


@dataclass(frozen=True)
class _Channels:
    """Range of the sums with bias, the bias, the factor, and the least sum of each level: (channels, 255)."""

    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    bias: NDArray[np.int64]
    factor: NDArray[np.float64]
    edges: NDArray[np.int64]


def fine_sums(
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    shift: NDArray[np.int32],
    weights: NDArray[np.int8],
) -> FineSums:
    """Constants for channels of those biases (the input's zero point is in them) and factors, with shifts of
    at most 0; ``weights`` are (channels, taps), inputs any int8.
    """
    w = weights.astype(np.int64)
    lowest = np.minimum(-128 * w, 127 * w).sum(axis=1)
    highest = np.maximum(-128 * w, 127 * w).sum(axis=1)
    constants = [np.asarray(values, np.int64) for values in (lowest, highest, bias, multiplier, shift)]
    # A plan lowers the same operator many times.
    return _cached(np.stack(constants).tobytes())


@lru_cache(maxsize=512)
def _cached(constants: bytes) -> FineSums:
    lowest, highest, bias, multiplier, shift = np.frombuffer(constants, np.int64).reshape(5, -1)
    channels = _Channels(
        lowest + bias,
        highest + bias,
        bias,
        multiplier / 2.0**31 * np.exp2(shift),
        _edges(multiplier, -shift),
    )
    candidates = [_with_bits(channels, bits) for bits in _WIDEST_BITS]
    return max(candidates, key=lambda candidate: int(candidate.found.sum()))


def _edges(multiplier: NDArray[np.int64], exponent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least sums that are at or above each level, as the double rounding has it; (channels, 255)."""
    products = (_LEVELS << exponent[:, None]) - ((np.int64(1) << exponent[:, None]) >> 1)
    # No int32 times a multiplier comes to more; nor does it to anything where that is 0.
    never = (products > 2**31) | (multiplier == 0)[:, None]
    doubled = np.where(never, 0, products) * 2**31 - 2**30
    return np.where(never, _BEYOND, -(-doubled // np.maximum(multiplier, 1)[:, None]))


def _with_bits(channels: _Channels, bits: int) -> FineSums:
    """What the nearest multipliers come to."""
    nearest = np.rint(channels.factor * 2.0 ** (31 - bits + FRACTION_BITS)).astype(np.int64)
    offset, multiplier = np.zeros_like(nearest), np.zeros_like(nearest)
    found = np.zeros(nearest.shape, np.bool_)
    for step in _TRIES:
        tried = np.clip(nearest + step, 1, 2**31 - 1)
        least, most = _offsets(channels, tried, bits)
        is_new = (least <= most) & ~found
        offset = np.where(is_new, (least + most) // 2 + (channels.bias << bits), offset)
        multiplier = np.where(is_new, tried, multiplier)
        found |= is_new
    # A channel that is never above its zero point needs none.
    found |= (channels.edges > channels.highest[:, None]).all(axis=1)
    # What wraps around is no staircase.
    found &= (channels.lowest >= -(2**31)) & (channels.highest < 2**31)
    return FineSums(bits, offset, multiplier, found)


def _offsets(
    channels: _Channels, multiplier: NDArray[np.int64], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the most that may be added to (sum with bias) * 2^bits."""
    edges, lowest, highest = channels.edges, channels.lowest[:, None], channels.highest[:, None]
    # The least product that rounds up to each level, and the least sum that makes it.
    products = (_LEVELS << FRACTION_BITS) - (1 << (FRACTION_BITS - 1))
    sums = -(-(products * 2**31) // multiplier[:, None])
    at_edge = sums - (np.maximum(edges, lowest) << bits)
    below = sums - 1 - (np.minimum(edges - 1, highest) << bits)
    least = np.where(edges <= highest, at_edge, -_BEYOND).max(axis=1)
    most = np.where(edges > lowest, below, _BEYOND).min(axis=1)
    # The sum and what is added to that without bias are int32.
    smallest = np.minimum(channels.lowest << bits, channels.bias << bits)
    largest = np.maximum(channels.highest << bits, channels.bias << bits)
    return np.maximum(least, -(2**31) - smallest), np.minimum(most, 2**31 - 1 - largest)
