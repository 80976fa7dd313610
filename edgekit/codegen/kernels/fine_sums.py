"""Requantization by one rounding of sums that have bits behind the point, where narrowing saturates.

Where no clamps but int8's are needed, an output byte is, for all sums a that a channel can have (bias not
included),

    ((a * 2^bits + offset) * multiplier >> 31) + 2^(FRACTION_BITS - 1) >> FRACTION_BITS, cut off at int8

if it is right on both sides of every edge of the staircase that the double rounding makes, because both only
grow in between. ``bits`` are one for a layer; the finer they make the offset, the coarser is the multiplier.
The ties of negative numbers, away from zero, bend a staircase that goes on below the zero point: there are no
such constants then, as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 12
_LEVELS = np.arange(-127, 128, dtype=np.int64)
_WIDEST_BITS = range(15, 5, -1)
_TRIES = (0, 1, -1, 2, -2, 3, -3)
# No sum is as large, and no constraint as tight.
_BEYOND = np.int64(1) << 60


@dataclass(frozen=True)
class FineSums:
    """``offset`` and ``multiplier`` of each channel, int32; ``found`` says where they are right.

    A channel that ``is_constant`` has one byte whatever its sum is; its constants are for sums of 0.
    """

    bits: int
    offset: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    found: NDArray[np.bool_]
    is_constant: NDArray[np.bool_]


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
    zero_point: int,
) -> FineSums:
    """Constants for channels of those biases (the input's zero point is in them) and factors, with shifts of
    at most 0; ``weights`` are (channels, taps), inputs any int8. ``zero_point`` is that of the output.
    """
    w = weights.astype(np.int64)
    lowest = np.minimum(-128 * w, 127 * w).sum(axis=1)
    highest = np.maximum(-128 * w, 127 * w).sum(axis=1)
    constants = [np.asarray(values, np.int64) for values in (lowest, highest, bias, multiplier, shift)]
    # A plan lowers the same operator many times.
    return _cached(np.stack(constants).tobytes(), zero_point)


@lru_cache(maxsize=512)
def _cached(constants: bytes, zero_point: int) -> FineSums:
    lowest, highest, bias, multiplier, shift = np.frombuffer(constants, np.int64).reshape(5, -1)
    channels = _Channels(
        lowest + bias,
        highest + bias,
        bias,
        multiplier / 2.0**31 * np.exp2(shift),
        _edges(multiplier, -shift, zero_point),
    )
    candidates = [_with_bits(channels, bits) for bits in _WIDEST_BITS]
    return max(candidates, key=lambda candidate: int(candidate.found.sum()))


def _edges(multiplier: NDArray[np.int64], exponent: NDArray[np.int64], zero_point: int) -> NDArray[np.int64]:
    """The least sums that are at or above each level, as the double rounding has it; (channels, 255)."""
    steps, unit = _LEVELS - zero_point, np.int64(1) << exponent[:, None]
    # What the first rounding must come to: ties go up where that is positive, else down.
    products = steps * unit - (unit >> 1) + ((steps <= 0) & (unit > 1))
    # No int32 times a multiplier comes to more; nor does it to anything where that is 0.
    is_still = (multiplier == 0)[:, None]
    never = (products > 2**31) | (is_still & (products > 0))
    always = (products < -(2**31)) | (is_still & (products <= 0))
    doubled = np.where(never | always, 0, products) * 2**31 - 2**30
    edges = -(-doubled // np.maximum(multiplier, 1)[:, None])
    return np.where(never, _BEYOND, np.where(always, -_BEYOND, edges))


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
    reached = (channels.edges <= channels.lowest[:, None]).sum(axis=1)
    is_constant = reached == (channels.edges <= channels.highest[:, None]).sum(axis=1)
    # Half of it is the byte.
    offset = np.where(is_constant, (reached - 128) << (FRACTION_BITS + 1), offset)
    multiplier = np.where(is_constant, 2**30, multiplier)
    # What wraps around is no staircase.
    stays = (channels.lowest >= -(2**31)) & (channels.highest < 2**31)
    return FineSums(bits, offset, multiplier, (found | is_constant) & stays, is_constant & stays)


def _offsets(
    channels: _Channels, multiplier: NDArray[np.int64], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the most that may be added to (sum with bias) * 2^bits."""
    edges, lowest, highest = channels.edges, channels.lowest[:, None], channels.highest[:, None]
    # The least product that rounds up to each level, and the least sum that makes it.
    products = _LEVELS * (1 << FRACTION_BITS) - (1 << (FRACTION_BITS - 1))
    sums = -(-(products * 2**31) // multiplier[:, None])
    at_edge = sums - (np.maximum(edges, lowest) << bits)
    below = sums - 1 - (np.minimum(edges - 1, highest) << bits)
    least = np.where(edges <= highest, at_edge, -_BEYOND).max(axis=1)
    most = np.where(edges > lowest, below, _BEYOND).min(axis=1)
    # The sum and what is added to that without bias are int32.
    smallest = np.minimum(channels.lowest << bits, channels.bias << bits)
    largest = np.maximum(channels.highest << bits, channels.bias << bits)
    return np.maximum(least, -(2**31) - smallest), np.minimum(most, 2**31 - 1 - largest)
