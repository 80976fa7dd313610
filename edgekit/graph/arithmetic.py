"""TensorFlow Lite Micro's integer arithmetic: the one place in Python where it is written.

TFLM rounds twice ("double rounding", as gemmlowp does): a saturating rounding doubling high multiply,
then a rounding division by a power of two. Everything here works on int32 values and returns what C
returns, including wrap-around where C shifts an int32 to the left. Formulas are those of TFLM's
``kernels/internal/quantization_util.cc``, ``common.h`` and gemmlowp's ``fixedpoint.h``.

``Qm.n`` is a fixed-point number with m integer bits, n fraction bits and a sign in an int32.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.ir import Int32Array

_Int64Array = NDArray[np.int64]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1

SOFTMAX_INPUT_INTEGER_BITS = 5
# Where exponentials sum to this or more, TFLM's final shift would exceed 31: it ends the process.
SOFTMAX_SUM_LIMIT = 512
_SOFTMAX_SUM_INTEGER_BITS = 12


def quantize_multiplier(real: float) -> tuple[int, int]:
    """The int32 ``multiplier`` and ``shift`` with real ≈ multiplier / 2**31 * 2**shift.

    ``multiplier`` is in [2**30, 2**31), or (0, 0) is returned for ``real`` = 0 and for anything that
    would need a shift below -31. Raises ValueError for a negative or non-finite ``real``.
    """
    if not math.isfinite(real) or real < 0.0:
        raise ValueError(f"a multiplier must be finite and not negative, not {real}")
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    return (multiplier, shift) if shift >= -31 else (0, 0)


def saturating_rounding_doubling_high_multiply(
    x: NDArray[np.signedinteger], y: Int32Array | int
) -> Int32Array:
    """round(x * y / 2**31) for int32 values, ties towards plus infinity; the one overflow saturates.

    gemmlowp nudges by 1 - 2**30 where x * y is negative and truncates, which is the same number as
    floor((x * y + 2**30) / 2**31) for either sign.
    """
    product: _Int64Array = np.multiply(x, y, dtype=np.int64)
    product += 2**30
    product >>= 31
    np.minimum(product, INT32_MAX, out=product)
    return product.astype(np.int32)


def rounding_divide_by_power_of_two(x: Int32Array, exponent: Int32Array | int) -> Int32Array:
    """round(x / 2**exponent), ties away from zero, for exponents of 0 to 62."""
    exponents = np.asarray(exponent, dtype=np.int64)
    half = (np.int64(1) << exponents) >> 1
    # x >> 31 is -1 for a negative x: it moves the tie away from zero. There is no tie to move at 0.
    nudge: _Int64Array = (x >> 31) & -(exponents > 0).astype(np.int64)
    nudge += x
    nudge += half
    nudge >>= exponents
    return nudge.astype(np.int32)


def shift_left_wrapping(x: Int32Array, bits: Int32Array | int) -> Int32Array:
    """The int32 x * 2**bits, wrapping around as the compiled TFLM does, for bits of 0 to 31."""
    return np.left_shift(x, bits, dtype=np.int64).astype(np.int32)


def multiply_by_quantized_multiplier(
    accumulator: Int32Array, multiplier: Int32Array, shift: Int32Array
) -> Int32Array:
    """Multiplies: accumulator * multiplier / 2**31 * 2**shift, rounded twice as TFLM does.

    ``multiplier`` and ``shift`` (-31 to 30) hold one entry, or one for each channel: the last axis of
    ``accumulator``. Result: int32 of the accumulator's shape.
    """
    left_shift = np.maximum(shift, 0)
    if np.any(left_shift):
        accumulator = shift_left_wrapping(accumulator, left_shift)
    high = saturating_rounding_doubling_high_multiply(accumulator, multiplier)
    return rounding_divide_by_power_of_two(high, np.maximum(-shift, 0))


def mean_multiplier(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """``multiplier`` and ``shift`` with the division by ``count`` summands folded in.

    TFLM (``reference/reduce.h``) moves as many bits as the quotient keeps: floor(log2(count)), at most
    32, and no more than leaves a shift of -31.
    """
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def rounded_average(total: Int32Array, count: Int32Array) -> Int32Array:
    """The quotient total / count, rounded to nearest, ties away from zero; ``count`` is positive."""
    magnitude = (np.abs(total) + count // 2) // count
    return cast(Int32Array, np.where(total > 0, magnitude, -magnitude))


def softmax_input_scaling(beta: float, input_scale: float) -> tuple[int, int, int]:
    """``multiplier``, ``left_shift`` and ``diff_min`` that bring an int8 difference to Q5.26.

    multiplier / 2**31 * 2**left_shift = min(beta * input_scale * 2**26, 2**31 - 1); ``diff_min`` is
    the smallest difference that fits into Q5.26: -floor(31 * 2**26 / 2**left_shift). Raises ValueError
    where the product is at most 1, which TFLM cannot represent.
    """
    fraction_bits = 31 - SOFTMAX_INPUT_INTEGER_BITS
    real = min(beta * input_scale * 2**fraction_bits, float(INT32_MAX))
    if not real > 1.0:
        raise ValueError(f"beta * scale = {beta * input_scale} is too small for a fixed-point softmax")
    multiplier, left_shift = quantize_multiplier(real)
    diff_min = -(((2**SOFTMAX_INPUT_INTEGER_BITS - 1) << fraction_bits) >> left_shift)
    return multiplier, left_shift, diff_min


def softmax_exponentials(multiplier: int, left_shift: int, diff_min: int) -> Int32Array:
    """exp(difference to the row's maximum) in Q0.31 for the differences 0, -1, … -255; shape (256,).

    Differences below ``diff_min`` count as exactly zero.
    """
    differences = -np.arange(256, dtype=np.int32)
    shifted = shift_left_wrapping(differences, left_shift)
    scaled = saturating_rounding_doubling_high_multiply(shifted, multiplier)
    return cast(Int32Array, np.where(differences >= diff_min, exp_on_negative_values(scaled), np.int32(0)))


def softmax_probabilities(exponentials: Int32Array) -> NDArray[np.int8]:
    """int8 probabilities (scale 1/256, zero point -128) of ``exponentials`` in Q0.31, over the last axis.

    The sum is kept in Q12.19, so the last axis may have at most 4,095 entries.
    """
    total = rounding_divide_by_power_of_two(exponentials, _SOFTMAX_SUM_INTEGER_BITS).sum(
        axis=-1, keepdims=True, dtype=np.int32
    )
    headroom = 32 - np.frexp(total)[1].astype(np.int64)
    # The sum is 2**bits_over_unit * (1 + x) with x in [0, 1): normalise, drop the 1, invert.
    bits_over_unit = _SOFTMAX_SUM_INTEGER_BITS - headroom
    x = ((total.astype(np.int64) << headroom) - 2**31).astype(np.int32)
    reciprocal = one_over_one_plus_x(x)
    products = saturating_rounding_doubling_high_multiply(exponentials, reciprocal)
    quotients = rounding_divide_by_power_of_two(products, bits_over_unit + 31 - 8)
    return np.clip(quotients - 128, -128, 127).astype(np.int8)


def exp_on_negative_values(x: Int32Array) -> Int32Array:
    """exp(x) in Q0.31 for x <= 0 in Q5.26 (gemmlowp): exp(x mod 1/4 - 1/4) by a Taylor polynomial,
    times exp(-2**k) for each bit k of the quarters that are left.
    """
    quarter = 1 << 24
    fraction = (x & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_zero(fraction << SOFTMAX_INPUT_INTEGER_BITS)
    remainder = fraction - x
    for bit, factor in enumerate(_EXP_OF_MINUS_POWERS_OF_TWO, start=24):
        product = saturating_rounding_doubling_high_multiply(result, factor)
        result = np.where(remainder & (1 << bit), product, result)
    return cast(Int32Array, np.where(x == 0, np.int32(INT32_MAX), result))


# exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16) in Q0.31.
_EXP_OF_MINUS_POWERS_OF_TWO = tuple(round(math.exp(-(2.0**power)) * 2**31) for power in range(-2, 5))


def _exp_between_minus_quarter_and_zero(x: Int32Array) -> Int32Array:
    """exp(x) in Q0.31 for x in [-1/4, 0) in Q0.31: the Taylor series around -1/8 up to degree 4."""
    exp_minus_eighth = round(math.exp(-1 / 8) * 2**31)
    one_third = round(2**31 / 3)
    multiply = saturating_rounding_doubling_high_multiply
    t = x + np.int32(1 << 28)
    t2 = multiply(t, t)
    t3 = multiply(t2, t)
    t4_over_4 = rounding_divide_by_power_of_two(multiply(t2, t2), 2)
    tail = rounding_divide_by_power_of_two(multiply(t4_over_4 + t3, one_third) + t2, 1)
    return np.int32(exp_minus_eighth) + multiply(t + tail, exp_minus_eighth)


def one_over_one_plus_x(x: Int32Array) -> Int32Array:
    """1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31 (gemmlowp): three Newton-Raphson steps from
    48/17 - 32/17 * (1 + x) / 2, in Q2.29.
    """
    multiply = saturating_rounding_doubling_high_multiply
    half_denominator = ((x.astype(np.int64) + INT32_MAX + 1) >> 1).astype(np.int32)
    estimate = np.int32(round(48 / 17 * 2**29)) + multiply(half_denominator, round(-32 / 17 * 2**29))
    for _ in range(3):
        error = np.int32(1 << 29) - multiply(half_denominator, estimate)
        estimate = estimate + _shift_left_saturating(multiply(estimate, error), 2)
    return _shift_left_saturating(estimate, 1)


def _shift_left_saturating(x: Int32Array, bits: int) -> Int32Array:
    shifted: _Int64Array = x.astype(np.int64) << bits
    return np.clip(shifted, INT32_MIN, INT32_MAX).astype(np.int32)
