"""The single rounding against the double one, on every sum that a channel can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekit.codegen.kernels.fine_sums import FRACTION_BITS, FineSums, fine_sums
from edgekit.graph import arithmetic

CHANNELS = 24


def constants(
    seed: int, taps: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]:
    """Bias, multiplier, shift and weights of channels like those of real layers, and of some extreme ones."""
    random = np.random.default_rng(seed)
    weights = random.integers(-127, 128, (CHANNELS, taps), dtype=np.int8)
    typical_sum = 74.0 * 90.0 * np.sqrt(taps)
    pairs = [
        arithmetic.quantize_multiplier(real)
        for real in 50.0 / typical_sum * random.uniform(0.2, 4.0, CHANNELS)
    ]
    multiplier, shift = np.array(pairs, np.int32).T
    bias = random.integers(-typical_sum, typical_sum, CHANNELS).astype(np.int32)
    multiplier[0] = 2**30  # sums lie on ties
    multiplier[1], shift[1] = 0, 0
    shift[2] = -31
    bias[3] = 2**31 - 5  # sums wrap around
    bias[4] = -(2**30)  # never above the zero point
    return bias, np.ascontiguousarray(multiplier), np.ascontiguousarray(shift), weights


def single_rounding(found: FineSums, channel: int, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """As the kernel computes it; sums are without bias."""
    scaled = sums * 2**found.bits + found.offset[channel]
    assert np.abs(scaled).max() < 2**31
    product = scaled * found.multiplier[channel] >> 31
    return np.clip((product + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS, -128, 127)


@pytest.mark.parametrize(
    ("seed", "taps", "zero_point", "least"),
    [(1, 9, -128, 21), (2, 9, -128, 21), (3, 27, -128, 22), (4, 64, -128, 22), (5, 9, 3, 3), (6, 9, 127, 3)],
)
def test_every_sum_of_a_channel_comes_out_right(seed: int, taps: int, zero_point: int, least: int) -> None:
    bias, multiplier, shift, weights = constants(seed, taps)
    found = fine_sums(bias, multiplier, shift, weights, zero_point)
    assert found.found.sum() >= least
    assert not found.found[3]
    assert found.is_constant[[1, 2, 4]].all()
    w = weights.astype(np.int64)
    for channel in np.flatnonzero(found.found):
        lowest = np.minimum(-128 * w[channel], 127 * w[channel]).sum()
        highest = np.maximum(-128 * w[channel], 127 * w[channel]).sum()
        sums = np.arange(lowest, highest + 1)
        made = single_rounding(found, channel, sums * (not found.is_constant[channel]))
        exact = arithmetic.multiply_by_quantized_multiplier(
            (sums + bias[channel]).astype(np.int32)[:, None],
            multiplier[channel : channel + 1],
            shift[channel : channel + 1],
        )[:, 0]
        assert np.array_equal(made, np.clip(exact + zero_point, -128, 127)), channel


def test_an_offset_that_is_one_less_is_wrong_somewhere() -> None:
    """The check of the other test could fail."""
    bias, multiplier, shift, weights = constants(1, 9)
    found = fine_sums(bias, multiplier, shift, weights, -128)
    sums = np.arange(-100_000, 100_000)
    right = single_rounding(found, 5, sums)
    shifted = replace(found, offset=found.offset - 2**found.bits)
    assert not np.array_equal(right, single_rounding(shifted, 5, sums))
