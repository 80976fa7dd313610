"""The staircase that a sum's output is, and which offsets make a line equal to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.graph import arithmetic
from edgekit.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected

Int64Array: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Weighted: TypeAlias = Conv2D | DepthwiseConv2D | FullyConnected

LOWEST, HIGHEST = -128, 127
"""Levels that a saturating line may be below and above."""

_NEVER = np.int64(1) << 62
# With room for a zero point.
_LARGEST_SUM = 2**31 - 256


@dataclass(frozen=True)
class Staircase:
    """Sums from ``lowest`` to ``highest``, (channels,), at which a growing function must be right to be right
    everywhere, and the outputs there: ``sums`` and ``levels`` of shape (points, channels). The points are
    both sides of each edge and of 0, and the ends.
    """

    sums: Int64Array
    levels: Int64Array
    lowest: Int64Array
    highest: Int64Array

    @property
    def base(self) -> Int64Array:
        """The lowest output of each channel."""
        return np.asarray(self.levels.min(axis=0))

    @property
    def is_flat(self) -> BoolArray:
        """The channels with one output only."""
        return np.asarray(self.base == self.levels.max(axis=0))

    @property
    def first_edge(self) -> Int64Array:
        """The least sum above the lowest level; without meaning for flat channels."""
        return np.asarray(np.where(self.levels > self.base, self.sums, _NEVER).min(axis=0))

    @property
    def last_edge(self) -> Int64Array:
        """The least sum on the highest level."""
        return np.asarray(np.where(self.levels == self.levels.max(axis=0), self.sums, _NEVER).min(axis=0))

    def offsets(
        self,
        line: Int64Array,
        threshold: Callable[[Int64Array], Int64Array],
        counts: BoolArray | None = None,
        *,
        saturates: bool,
    ) -> tuple[Int64Array, Int64Array]:
        """Least and greatest offset with which ``line``, its values at ``sums``, is right at all points that
        count; the latter is the smaller one where none is.

        A line is at level k where, with the offset, it is at least threshold(k) and less than threshold(k +
        1). One that ``saturates`` may be as low as it likes for the level -128, and as high for 127.
        """
        needs_least = self.levels > LOWEST if saturates else np.ones_like(self.levels, np.bool_)
        needs_most = self.levels < HIGHEST if saturates else np.ones_like(self.levels, np.bool_)
        if counts is not None:
            needs_least, needs_most = needs_least & counts, needs_most & counts
        least = np.where(needs_least, threshold(self.levels) - line, -_NEVER).max(axis=0)
        most = np.where(needs_most, threshold(self.levels + 1) - 1 - line, _NEVER).min(axis=0)
        return least, most


def outputs(op: Weighted, sums: Int64Array, *, clamped: bool = True) -> Int64Array:
    """What TensorFlow Lite Micro makes of ``sums`` of shape (…, channels), bias included; without the
    activation where not ``clamped``.
    """
    scaled = arithmetic.multiply_by_quantized_multiplier(
        sums.astype(np.int32), op.requantization.multiplier, op.requantization.shift
    )
    shifted = scaled.astype(np.int64) + op.output_zero_point
    limits = (op.activation_min, op.activation_max) if clamped else (LOWEST, HIGHEST)
    return np.asarray(np.clip(shifted, *limits), np.int64)


def raw_bias(op: Weighted, weights: Int64Array) -> Int64Array:
    """The bias of sums of input * weight, the input's zero point being folded into it; ``weights`` has the
    weights of a channel in each row.
    """
    return np.asarray(op.bias - op.input_zero_point * weights.sum(axis=1), np.int64)


def sum_bounds(op: Weighted, weights: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The least and greatest sum of each channel, bias included, over all int8 inputs."""
    positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    bias = raw_bias(op, weights)
    return bias - 128 * positive + 127 * negative, bias + 127 * positive - 128 * negative


def staircase(
    op: Weighted, lowest: Int64Array, highest: Int64Array, *, clamped: bool = True
) -> Staircase | None:
    """The staircase between sums of ``lowest`` and ``highest``, bias included, both of shape (channels,);
    without the activation where not ``clamped``. Edges are found by bisection.

    None where a sum or its left shift could wrap around in int32.
    """
    limit = _LARGEST_SUM >> np.maximum(op.requantization.shift.astype(np.int64), 0)
    if (lowest < -limit).any() or (highest > limit).any():
        return None
    base, top = (outputs(op, sums, clamped=clamped) for sums in (lowest, highest))
    levels = base + 1 + np.arange(int(max((top - base).max(), 1)))[:, None]
    below = np.broadcast_to(lowest, levels.shape)
    above = np.broadcast_to(highest, levels.shape)
    while (above - below > 1).any():
        middle = (below + above) >> 1
        reached = outputs(op, middle, clamped=clamped) >= levels
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    # Ties of negative numbers are rounded the other way: lines may change at 0.
    zero = np.zeros_like(lowest)
    points = np.concatenate([above, above - 1, [zero, zero - 1, lowest, highest]])
    points = np.clip(points, lowest, highest)
    return Staircase(points, outputs(op, points, clamped=clamped), lowest, highest)
