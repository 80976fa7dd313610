"""Arena plans: small, and never with two live tensors in one place."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from codegen.models import tiny_model, two_branches
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen import memory_plan
from edgekit.codegen.memory_plan import (
    Buffer,
    InvalidPlanError,
    Lifetime,
    MemoryPlan,
    check_plan,
    graph_buffers,
    pack,
    plan_memory,
)
from edgekit.graph.ir import Graph, Op, Reshape, Tensor
from edgekit.graph.tflite import read_tflite

# The bytes alive at the busiest operator: no plan that keeps whole tensors is smaller.
ARENA_BYTES = {
    "vww_96_int8": 55_296,
    "pretrainedResnet_quant": 49_152,
    "kws_ref_model": 16_000,
    "ad01_int8": 768,
}


def test_arena_of_the_reference_models(mlperf_tiny_model: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    plan = plan_memory(graph)
    assert plan.arena_bytes == ARENA_BYTES[graph.name]
    run_in_one_array(graph, plan)


def test_reshape_is_an_alias() -> None:
    plan = plan_memory(tiny_model())
    assert plan.offsets[8] == plan.offsets[9]
    plan = plan_memory(two_branches())
    assert plan.offsets[1] == plan.offsets[3]


def test_inputs_live_from_the_start_and_outputs_until_the_end() -> None:
    plan = plan_memory(two_branches())
    assert plan.lifetimes == {
        0: Lifetime(0, 0),
        1: Lifetime(0, 1),
        2: Lifetime(0, 1),
        3: Lifetime(0, 1),
    }


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random operators on random tensors: several inputs and outputs, unused results, chains of RESHAPE."""
    inputs = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.integers(1, 300), min_size=inputs, max_size=inputs))
    ops: list[Op] = []
    for number in range(draw(st.integers(1, 12))):
        output = inputs + number
        sources = tuple(draw(st.lists(st.integers(0, output - 1), min_size=1, max_size=3)))
        if draw(st.integers(0, 3)) == 0:
            ops.append(Reshape(number, sources[:1], output))
            sizes.append(sizes[sources[0]])
        else:
            ops.append(Op(number, sources, output))
            sizes.append(draw(st.integers(1, 300)))
    produced = st.sampled_from([op.output for op in ops])
    outputs = draw(st.lists(produced, min_size=1, max_size=3, unique=True))
    tensors = {index: Tensor(index, "", (size,), 1.0, 0) for index, size in enumerate(sizes)}
    return Graph("random", "00" * 32, tensors, tuple(ops), tuple(range(inputs)), tuple(outputs))


@given(graphs(), st.sampled_from([1, 4, 16]))
@settings(max_examples=300, deadline=None)
def test_no_tensor_destroys_another(graph: Graph, alignment: int) -> None:
    plan = plan_memory(graph, alignment)
    assert all(offset % alignment == 0 for offset in plan.offsets.values())
    run_in_one_array(graph, plan)


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_same_graph_has_the_same_plan(graph: Graph) -> None:
    assert plan_memory(graph) == plan_memory(graph)


lifetimes = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
    lambda steps: Lifetime(min(steps), max(steps))
)


@given(st.lists(st.tuples(st.integers(1, 9), lifetimes), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_order_of_placing_is_better_for_few_buffers(shapes: list[tuple[int, Lifetime]]) -> None:
    buffers = [Buffer((number,), size, lifetime) for number, (size, lifetime) in enumerate(shapes)]
    found = _arena_bytes(buffers, pack(buffers, alignment=1))
    best = min(
        _arena_bytes(buffers, _first_fit(buffers, order)) for order in permutations(range(len(buffers)))
    )
    assert found == best


def test_search_beats_every_greedy_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(7, 2, 5), (2, 2, 5), (7, 0, 3), (9, 1, 3), (8, 5, 5), (8, 0, 1), (4, 2, 4)]
    buffers = [Buffer((n,), size, Lifetime(first, last)) for n, (size, first, last) in enumerate(shapes)]
    assert _arena_bytes(buffers, pack(buffers, alignment=1)) == 29
    monkeypatch.setattr(memory_plan, "SEARCH_STEPS", 0)
    assert _arena_bytes(buffers, pack(buffers, alignment=1)) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: 0}, "tensors 0 and 1 are alive at the same time and overlap"),
        ({1: 9}, "lies at 9"),
        ({1: 4096}, "lies at 4096"),
        ({1: -16}, "lies at -16"),
        ({3: 48}, "tensors 1 and 3 are the same bytes"),
        ({0: None}, "lies at -1"),
    ],
)
def test_check_notices_a_wrong_offset(change: dict[int, int | None], message: str) -> None:
    graph = two_branches()
    right = MemoryPlan({0: 0, 1: 16, 2: 32, 3: 16}, {}, 64, 16)
    check_plan(graph, right)
    offsets = {index: offset for index, offset in {**right.offsets, **change}.items() if offset is not None}
    with pytest.raises(InvalidPlanError, match=message):
        check_plan(graph, replace(right, offsets=offsets))


def test_check_notices_any_two_live_tensors_in_one_place() -> None:
    graph = tiny_model()
    plan = plan_memory(graph)
    noticed = 0
    for a, b in combinations(plan.offsets, 2):
        if plan.lifetimes[a].overlaps(plan.lifetimes[b]) and plan.offsets[a] != plan.offsets[b]:
            with pytest.raises(InvalidPlanError):
                check_plan(
                    graph, replace(plan, offsets={**plan.offsets, b: plan.offsets[a]}, arena_bytes=10**6)
                )
            noticed += 1
    assert noticed > 10


def test_shadow_run_notices_a_planner_that_frees_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan and its check share the definition of a lifetime; the shadow run below does not."""
    monkeypatch.setattr(
        Lifetime, "overlaps", lambda self, other: self.first < other.last and other.first < self.last
    )
    with pytest.raises(AssertionError):
        run_in_one_array(tiny_model(), plan_memory(tiny_model()))


def test_buffers_of_the_tiny_model() -> None:
    buffers = {buffer.tensors: buffer for buffer in graph_buffers(tiny_model())}
    assert buffers[2,].lifetime == Lifetime(1, 4)
    assert buffers[8, 9] == Buffer((8, 9), 2, Lifetime(7, 9))


def run_in_one_array(graph: Graph, plan: MemoryPlan) -> None:
    """Runs the schedule on an array that knows whose byte each one is: an oracle apart from the planner."""
    owner = np.full(plan.arena_bytes, -1)
    content = {index: index for index in graph.inputs}  # which tensor's bytes each tensor is

    def place(index: int) -> np.ndarray:
        start = plan.offsets[index]
        view = owner[start : start + graph.tensors[index].size_bytes]
        assert view.size == graph.tensors[index].size_bytes
        return view

    for index in graph.inputs:
        place(index)[:] = index
    for op in graph.ops:
        for index in op.inputs:
            assert (place(index) == content[index]).all()
        content[op.output] = content[op.inputs[0]] if isinstance(op, Reshape) else op.output
        if not isinstance(op, Reshape):
            place(op.output)[:] = op.output
            # A kernel reads its inputs while it writes its output.
            assert all((place(index) == content[index]).all() for index in op.inputs)
    for index in graph.outputs:
        assert (place(index) == content[index]).all()


def _first_fit(buffers: list[Buffer], order: tuple[int, ...]) -> list[int]:
    offsets: dict[int, int] = {}
    for number in order:
        taken = sorted(
            (offset, offset + buffers[other].size_bytes)
            for other, offset in offsets.items()
            if buffers[other].lifetime.overlaps(buffers[number].lifetime)
        )
        start = 0
        for begin, end in taken:
            if start + buffers[number].size_bytes <= begin:
                break
            start = max(start, end)
        offsets[number] = start
    return [offsets[number] for number in range(len(buffers))]


def _arena_bytes(buffers: list[Buffer], offsets: list[int]) -> int:
    return max(offset + buffer.size_bytes for buffer, offset in zip(buffers, offsets, strict=True))
