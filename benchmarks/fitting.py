"""What each kind of work costs, found from what layers took that do much or little of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIGITS = 3
_FOLDS = 5

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """Instructions of an operator, and its work: (kernel, kind) to count."""

    instructions: int
    work: Mapping[tuple[str, str], int]


def fit(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """The costs of each kind of work that explain the measurements best, relative to their size.

    Prints for each kernel how far off layers are that costs were not found from: those of each fifth of its
    layers with the costs that the others lead to.
    """
    costs: dict[str, dict[str, float]] = {}
    for kernels, together in connected(measurements):
        columns = sorted({key for measurement in together for key in measurement.work})
        work = np.array([[m.work.get(column, 0) / m.instructions for column in columns] for m in together])
        for (kernel, kind), cost in zip(columns, _solve(work).tolist(), strict=True):
            costs.setdefault(kernel, {})[kind] = round(cost, _DIGITS)
        errors = np.abs(held_out_errors(work))
        median, most, worst = np.quantile(errors, (0.5, 0.95, 1.0))
        print(
            f"  {' + '.join(sorted(kernels))}: {len(together)} layers, median error {median:.1%}, "
            f"95 % within {most:.1%}, all within {worst:.1%}",
            flush=True,
        )
    return costs


def connected(measurements: Sequence[Measurement]) -> Iterator[tuple[set[str], list[Measurement]]]:
    """Measurements that have kernels in common, together."""
    groups: list[tuple[set[str], list[Measurement]]] = []
    for measurement in measurements:
        kernels, together = {kernel for kernel, _ in measurement.work}, [measurement]
        for group in [group for group in groups if group[0] & kernels]:
            groups.remove(group)
            kernels, together = kernels | group[0], group[1] + together
        groups.append((kernels, together))
    yield from groups


def held_out_errors(work: Float64Array) -> Float64Array:
    """The relative error of each layer with costs from others. ``work`` is relative to what was measured."""
    number = np.arange(len(work))
    errors = np.zeros(len(work))
    for fold in range(min(_FOLDS, len(work))):
        is_held_out = number % _FOLDS == fold
        if not is_held_out.all():
            errors[is_held_out] = work[is_held_out] @ _solve(work[~is_held_out]) - 1
    return errors


def _solve(work: Float64Array) -> Float64Array:
    """The costs for which the rows of ``work`` come to 1."""
    scale = work.max(axis=0)
    scale[scale == 0] = 1
    costs: Float64Array = nonnegative_least_squares(work / scale, np.ones(len(work))) / scale
    return costs


def nonnegative_least_squares(a: Float64Array, b: Float64Array) -> Float64Array:
    """``x`` >= 0 that minimises |a x - b| (Lawson, Hanson: Solving Least Squares Problems, 1974, ch. 23)."""
    x = np.zeros(a.shape[1])
    is_free = np.zeros(a.shape[1], np.bool_)
    while True:
        slope = np.where(is_free, -np.inf, a.T @ (b - a @ x))
        if slope.max() <= 1e-9:
            return x
        is_free[slope.argmax()] = True
        while True:
            best = np.zeros_like(x)
            best[is_free] = np.linalg.lstsq(a[:, is_free], b, rcond=None)[0]
            below = is_free & (best <= 0)
            if not below.any():
                x = best
                break
            x = x + (x[below] / (x[below] - best[below])).min() * (best - x)
            is_free &= x > 1e-12
            x[~is_free] = 0
