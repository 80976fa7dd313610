"""Compares a graph with what passes made of it, on the NumPy executor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.graph.executor import execute, execute_all
from edgekit.graph.ir import Graph, Int8Array


def differing_tensors(before: Graph, after: Graph, inputs: Sequence[Int8Array]) -> list[int]:
    """The tensors of ``after`` that are not, channel by channel in their order, among those of ``before``.

    The model's outputs are compared as a whole. Empty where a pass kept its promise.
    """
    expected, actual = execute_all(before, inputs), execute_all(after, inputs)
    outputs = zip(before.outputs, execute(before, inputs), execute(after, inputs), strict=True)
    differing = {index for index, one, other in outputs if not np.array_equal(one, other)}
    differing |= {
        index
        for index in after.tensors
        if not _is_subsequence(_channels(actual[index]), _channels(expected[index]))
    }
    return sorted(differing)


def _channels(values: Int8Array) -> list[bytes]:
    columns = values.reshape(-1, values.shape[-1]).T
    return [column.tobytes() for column in columns]


def _is_subsequence(part: Sequence[bytes], whole: Sequence[bytes]) -> bool:
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)
