"""Seeded splits of labelled pictures that do not depend on NumPy's distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def stratified_split(labels: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Indices (kept, held back), both ascending: of every class about ``fraction`` is held back.

    A class with at least two pictures gives at least one and keeps at least one; ``fraction`` 0 holds
    nothing back.
    """
    held: list[Indices] = []
    for label in np.unique(labels):
        members = shuffled(np.flatnonzero(labels == label), seed + int(label))
        count = int(len(members) * fraction + 0.5)
        if fraction > 0.0:
            count = min(max(count, 1), len(members) - 1)
        held.append(members[:count])
    held_back = np.sort(np.concatenate(held)) if held else np.empty(0, dtype=np.int64)
    kept = np.setdiff1d(np.arange(len(labels), dtype=np.int64), held_back)
    return kept, held_back


def stratified_sample(labels: Indices, count: int, seed: int) -> Indices:
    """``count`` indices (all, where there are fewer), ascending, spread evenly over the classes."""
    members = [shuffled(np.flatnonzero(labels == label), seed + int(label)) for label in np.unique(labels)]
    # The n-th picture of every class comes before the (n + 1)-th of any.
    ranked = sorted(
        (rank, class_number, int(index))
        for class_number, indices in enumerate(members)
        for rank, index in enumerate(indices)
    )
    return np.sort(np.array([index for _, _, index in ranked[:count]], dtype=np.int64))


def shuffled(indices: NDArray[np.intp], seed: int) -> Indices:
    """``indices`` in the order of the raw PCG64 stream of ``seed``: the same with every NumPy version."""
    keys = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(indices))
    return indices[np.argsort(keys, kind="stable")].astype(np.int64)
