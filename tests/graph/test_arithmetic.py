"""The fixed-point arithmetic against literal transcriptions of its definition in Python integers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph import arithmetic

INT32 = st.integers(-(2**31), 2**31 - 1)
EXTREMES = (-(2**31), -(2**31) + 1, -(2**30), -129, -128, -1, 0, 1, 127, 128, 2**30, 2**31 - 2, 2**31 - 1)


def wrap(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def truncating_divide(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def high_multiply(x: int, y: int) -> int:
    if x == y == -(2**31):
        return 2**31 - 1
    nudge = 2**30 if x * y >= 0 else 1 - 2**30
    return truncating_divide(x * y + nudge, 2**31)


def rounding_divide(x: int, exponent: int) -> int:
    mask = 2**exponent - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


def int32(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


@given(INT32, INT32)
def test_high_multiply(x, y):
    assert arithmetic.saturating_rounding_doubling_high_multiply(int32(x), int32(y))[0] == high_multiply(x, y)


@pytest.mark.parametrize("x", EXTREMES)
@pytest.mark.parametrize("y", EXTREMES)
def test_high_multiply_at_extremes(x, y):
    assert arithmetic.saturating_rounding_doubling_high_multiply(int32(x), int32(y))[0] == high_multiply(x, y)


@given(INT32, st.integers(0, 31))
def test_rounding_divide(x, exponent):
    assert arithmetic.rounding_divide_by_power_of_two(int32(x), exponent)[0] == rounding_divide(x, exponent)


@pytest.mark.parametrize(("x", "expected"), [(5, 3), (-5, -3), (4, 2), (-4, -2), (1, 1), (-1, -1)])
def test_ties_go_away_from_zero(x, expected):
    assert arithmetic.rounding_divide_by_power_of_two(int32(x), 1)[0] == expected


@given(INT32, st.integers(2**30, 2**31 - 1), st.integers(-31, 30))
def test_multiply_by_quantized_multiplier(x, multiplier, shift):
    shifted = wrap(x << max(shift, 0))
    expected = rounding_divide(high_multiply(shifted, multiplier), max(-shift, 0))
    actual = arithmetic.multiply_by_quantized_multiplier(int32(x), int32(multiplier), int32(shift))
    assert actual[0] == expected


def test_channels_lie_on_the_last_axis():
    accumulator = np.arange(-12, 12, dtype=np.int32).reshape(2, 4, 3) * 1_000_003
    multiplier, shift = int32(2**30, 2**31 - 1, 1_234_567_890), int32(-20, 3, 0)
    actual = arithmetic.multiply_by_quantized_multiplier(accumulator, multiplier, shift)
    for channel in range(3):
        alone = arithmetic.multiply_by_quantized_multiplier(
            accumulator[..., channel], multiplier[channel : channel + 1], shift[channel : channel + 1]
        )
        np.testing.assert_array_equal(actual[..., channel], alone)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (1.0 - 2**-40, (2**30, 1)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (math.nextafter(2.0**-32, 0.0), (2**30, -31)),
        (0.75 * 2**-32, (0, 0)),
        (2.0**30, (2**30, 31)),
    ],
)
def test_quantize_multiplier(real, expected):
    assert arithmetic.quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1.0, math.nan, math.inf])
def test_quantize_multiplier_refuses(real):
    with pytest.raises(ValueError, match="finite"):
        arithmetic.quantize_multiplier(real)


@given(st.floats(2**-30, 2**30))
def test_quantize_multiplier_is_within_half_a_unit(real):
    multiplier, shift = arithmetic.quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - 31) / real - 1) <= 2**-31


@given(st.integers(-(2**20), 2**20), st.integers(1, 4000))
def test_rounded_average(total, count):
    half = count // 2
    expected = truncating_divide(total + half if total > 0 else total - half, count)
    assert arithmetic.rounded_average(int32(total), int32(count))[0] == expected


@pytest.mark.parametrize(("count", "shift", "bits"), [(1, -5, 0), (49, -5, 5), (64, -5, 6), (49, -29, 2)])
def test_mean_multiplier_keeps_as_many_bits_as_fit(count, shift, bits):
    assert arithmetic.mean_multiplier(2**30, shift, count) == ((2**30 << bits) // count, shift - bits)


@given(st.integers(-(2**31), 0))
def test_exponential_is_accurate(x):
    actual = arithmetic.exp_on_negative_values(int32(x))[0] / 2**31
    assert actual == pytest.approx(math.exp(x / 2**26), abs=3e-7)


@given(st.integers(0, 2**31 - 1))
def test_reciprocal_is_accurate(x):
    actual = arithmetic.one_over_one_plus_x(int32(x))[0] / 2**31
    assert actual == pytest.approx(1 / (1 + x / 2**31), abs=1e-8)


def test_softmax_scaling_covers_the_whole_range_of_five_integer_bits():
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.0625)
    assert (multiplier, left_shift) == (2**30, 23)
    assert diff_min == -(31 * 2**26 // 2**23)
    with pytest.raises(ValueError, match="too small"):
        arithmetic.softmax_input_scaling(1.0, 2.0**-27)


def test_softmax_probabilities_of_equal_scores_are_equal():
    probabilities = arithmetic.softmax_probabilities(np.full((1, 4), 2**31 - 1, dtype=np.int32))
    assert probabilities.tolist() == [[-64] * 4]
