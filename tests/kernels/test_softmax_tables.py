"""Which SOFTMAX gets a table, and that it is as large as it must be."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.codegen.kernels import TABLES, kernel_call
from edgekit.codegen.kernels.values import KernelCall
from edgekit.engines import aot_program
from edgekit.graph import arithmetic
from edgekit.graph.executor import execute
from edgekit.graph.ir import Graph, Softmax, Tensor


def _graph(depth: int, scale: float) -> Graph:
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, scale)
    tensors = {index: Tensor(index, "", (1, depth), scale, 0) for index in (0, 1)}
    op = Softmax(0, (0,), 1, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)
    return Graph("softmax", "0" * 64, tensors, (op,), (0,), (1,))


def _call(depth: int, scale: float, *features: str) -> KernelCall:
    graph = _graph(depth, scale)
    call = kernel_call(graph, graph.ops[0], frozenset(features))
    assert call is not None
    return call


@pytest.mark.parametrize(
    ("depth", "scale", "kernel"),
    [
        (2, 0.015, "ek_softmax_of_two_s8"),
        (10, 0.17, "ek_softmax_table_s8"),
        (10, 0.03, "ek_softmax_s8"),  # 256 exponentials for ten elements
        (100, 0.03, "ek_softmax_table_s8"),
        (159, 0.1, "ek_softmax_table_s8"),
        (160, 0.1, "ek_softmax_of_many_s8"),
        (1000, 0.01, "ek_softmax_of_many_s8"),
    ],
)
def test_tables_are_taken_where_they_are_worth_their_flash(depth: int, scale: float, kernel: str) -> None:
    assert _call(depth, scale, TABLES).function == kernel
    without = "ek_softmax_of_two_s8" if depth == 2 else "ek_softmax_s8"
    assert _call(depth, scale).function == without


def test_the_smallest_image_has_no_table_of_exponentials() -> None:
    graph = _graph(1000, 0.1)
    calls = {
        optimize: aot_program(graph, frozenset(), optimize)[0].layers[0].call
        for optimize in ("ram", "speed", "size")
    }
    names = {optimize: call.function for optimize, call in calls.items() if call is not None}
    assert names == {
        "ram": "ek_softmax_of_many_s8",
        "speed": "ek_softmax_of_many_s8",
        "size": "ek_softmax_s8",
    }


def test_nearly_all_scales_have_a_table_for_two() -> None:
    """Else the larger kernel would run unnoticed."""
    scales = np.geomspace(1e-4, 20, 500)
    functions = [_call(2, float(scale)).function for scale in scales]
    assert functions.count("ek_softmax_of_two_s8") > 0.97 * len(scales)


def test_two_that_are_not_each_others_negative_have_none() -> None:
    scale = 0.014982969523054813
    graph = _graph(2, scale)
    outputs = execute(graph, (np.array([[-128, 55]], np.int8),))[0]
    assert outputs.tolist() == [[-113, 112]]
    assert _call(2, scale).function == _call(2, scale, TABLES).function == "ek_softmax_s8"


def test_tables_end_where_nothing_is_added() -> None:
    for scale in (0.05, 0.17, 1.0, 30.0):
        (exponentials,) = _call(1000, scale, TABLES).constants()
        all_of_them = arithmetic.softmax_exponentials(*arithmetic.softmax_input_scaling(1.0, scale))
        count = exponentials.values.size
        summands = arithmetic.rounding_divide_by_power_of_two(all_of_them, 12)
        assert np.all(summands[:count] > 0)
        assert not np.any(summands[count:])
        np.testing.assert_array_equal(exponentials.values, all_of_them[:count])
