"""The single rounding against the double one, on every sum that a channel can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.codegen.kernels.requantization.fine_sums import FineSums, fine_sums
from edgekit.codegen.kernels.requantization.staircase import outputs, staircase, sum_bounds
from edgekit.graph import arithmetic
from edgekit.graph.ir import FullyConnected, Requantization

CHANNELS = 24
WRAPS = 3
FLAT = (1, 2, 4)


def channels(seed: int, taps: int, zero_point: int) -> list[FullyConnected]:
    """Layers of one channel like those of real layers, and some extreme ones."""
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
    bias[WRAPS] = 2**31 - 5
    bias[4] = -(2**30)  # never above the zero point
    return [
        FullyConnected(
            0,
            (0,),
            1,
            filter=weights[one],
            bias=bias[one],
            input_zero_point=0,
            filter_zero_point=0,
            output_zero_point=zero_point,
            requantization=Requantization(multiplier[one].copy(), shift[one].copy()),
            activation_min=-128,
            activation_max=127,
        )
        for one in (slice(channel, channel + 1) for channel in range(CHANNELS))
    ]


def found_for(op: FullyConnected) -> FineSums | None:
    stairs = staircase(op, *sum_bounds(op, op.filter.astype(np.int64)))
    return None if stairs is None else fine_sums(op, stairs, op.bias.astype(np.int64))


def all_sums(op: FullyConnected) -> np.ndarray:
    """Without bias: (sums, 1)."""
    lowest, highest = sum_bounds(op, op.filter.astype(np.int64))
    return np.arange(int(lowest[0]), int(highest[0]) + 1)[:, None] - op.bias


@pytest.mark.parametrize(
    ("seed", "taps", "zero_point", "least"),
    [(1, 9, -128, 21), (2, 9, -128, 21), (3, 27, -128, 22), (4, 64, -128, 22), (5, 9, 3, 3), (6, 9, 127, 3)],
)
def test_every_sum_of_a_channel_comes_out_right(seed: int, taps: int, zero_point: int, least: int) -> None:
    checked = 0
    for number, op in enumerate(channels(seed, taps, zero_point)):
        found = found_for(op)
        if number == WRAPS:
            assert found is None
        if number in FLAT:
            assert found is not None
        if found is None:
            continue
        sums = all_sums(op)
        seen = 0 * sums if number in FLAT else sums  # the kernel has weights of zero there
        assert np.abs(seen * 2**found.bits + found.offset).max() < 2**31
        assert np.array_equal(found.outputs(seen), outputs(op, sums + op.bias)), number
        checked += 1
    assert checked >= least


def test_an_offset_that_is_one_less_is_wrong_somewhere() -> None:
    """The check of the other test could fail."""
    op = channels(1, 9, -128)[5]
    found, sums = found_for(op), all_sums(channels(1, 9, -128)[5])
    assert found is not None
    shifted = replace(found, offset=found.offset - 2**found.bits)
    assert not np.array_equal(found.outputs(sums), shifted.outputs(sums))
