"""Arena plans: small, and never with two rows in one place while both are needed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from codegen.generated import noise
from codegen.models import tiny_model, two_branches
from codegen.row_runner import DestroyedRowError, RowRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen import memory_plan
from edgekit.codegen.kernels.values import KernelCall, Struct
from edgekit.codegen.layers import Layer, Operand, Program, lower
from edgekit.codegen.memory_plan import (
    Buffer,
    InvalidPlanError,
    MemoryPlan,
    check_plan,
    forbidden_distances,
    pack,
    plan_graph,
    plan_memory,
)
from edgekit.codegen.rows import Reach, Rows
from edgekit.codegen.schedule import one_by_one, with_segment
from edgekit.errors import UsageError
from edgekit.graph.executor import execute
from edgekit.graph.ir import Graph, Op, Reshape, Tensor
from edgekit.graph.tflite import read_tflite

# Layers in turns; layer by layer; and for speed, where most tensors are seen as single rows.
ARENA_BYTES = {
    "vww_96_int8": (28_032, 37_632, 55_296),
    "pretrainedResnet_quant": (11_776, 33_792, 33_792),
    "kws_ref_model": (4_208, 11_840, 16_000),
    "ad01_int8": (768, 768, 768),
}


def test_arena_of_the_reference_models(mlperf_tiny_model: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    program, plan = plan_graph(graph)
    in_turns, one_by_one, whole = ARENA_BYTES[graph.name]
    assert plan.arena_bytes == in_turns
    assert plan_memory(lower(graph), fuse=False).arena_bytes == one_by_one
    program_in_rows, quick = plan_graph(graph, planning="speed")
    assert quick.arena_bytes == whole
    run_with_noise(program_in_rows, quick)
    run_with_noise(program, plan)


STREAMED_ARENA_BYTES = {"vww_96_int8": 10_272, "pretrainedResnet_quant": 10_528, "kws_ref_model": 3_904}


def test_arena_with_a_streamed_input(mlperf_tiny_model: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    if graph.name == "ad01_int8":
        with pytest.raises(UsageError, match="1x640, which is no image of several rows"):
            plan_graph(graph, stream_input=True)
        return
    program, plan = plan_graph(graph, stream_input=True)
    assert plan.arena_bytes == STREAMED_ARENA_BYTES[graph.name]
    run_with_noise(program, plan)
    run_with_noise(*plan_graph(graph, planning="speed", stream_input=True))


@pytest.mark.parametrize("fuse", [False, True])
def test_small_model_with_a_streamed_input_in_one_array(fuse: bool) -> None:
    program = lower(tiny_model(), stream_input=True)
    plan = plan_memory(program, fuse=fuse)
    assert len(plan.segments[0]) > 1
    assert plan.ring_rows[0] < 6
    run_with_noise(program, plan)


def test_only_one_image_that_nobody_needs_whole_can_be_streamed() -> None:
    with pytest.raises(UsageError, match="has 2 inputs; only a single one can come row by row"):
        lower(two_branches(), stream_input=True)
    graph = tiny_model()
    reshaped = {**graph.tensors, 1: replace(graph.tensors[0], index=1, shape=(1, 36))}
    flat = replace(graph, tensors=reshaped, ops=(Reshape(0, (0,), 1),), outputs=(1,))
    with pytest.raises(UsageError, match="operator 0 of tiny, RESHAPE, needs the whole input at once"):
        lower(flat, stream_input=True)


@pytest.mark.parametrize("model", [tiny_model, two_branches])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("fuse", [False, True])
def test_small_models_in_one_array(model, accumulate: bool, fuse: bool) -> None:
    program = lower(model(), accumulate=accumulate)
    run_with_noise(program, plan_memory(program, fuse=fuse))


def run_with_noise(program: Program, plan: MemoryPlan) -> None:
    """Every byte computed in the arena equals the executor's."""
    inputs = [array[:1] for array in noise(program.graph, 3)]
    runner = RowRunner(program, plan, inputs)
    runner.run()
    for index, expected in enumerate(execute(program.graph, inputs)):
        assert np.array_equal(runner.output(index), expected.reshape(-1))


def test_reshape_is_an_alias() -> None:
    program = lower(tiny_model())
    assert program.aliases[9] == program.aliases[8]
    assert 9 not in plan_memory(program).offsets


_CALL = KernelCall("kernel", "kernel.c", "params", Struct(()))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Random layers on random rows: windows, strides, several inputs and outputs, views, scratch bytes."""
    streamed = draw(st.booleans())
    inputs = 1 if streamed else draw(st.integers(1, 2))
    storages = {index: _draw_rows(draw) for index in range(inputs)}
    layers = [Layer(Op(-1, (), 0), (), 0, storages[0], None)] if streamed else []
    for number in range(draw(st.integers(1, 8))):
        storage = inputs + number
        rows = _draw_rows(draw)
        sources = draw(st.lists(st.integers(0, storage - 1), min_size=1, max_size=2))
        operands = tuple(_draw_operand(draw, source, storages[source], rows) for source in sources)
        call = replace(_CALL, scratch_bytes=draw(st.sampled_from([0, 0, 0, 5, 40])))
        layers.append(Layer(Op(number, tuple(sources), storage), operands, storage, rows, call))
        storages[storage] = rows
    written = st.sampled_from([layer.storage for layer in layers if not layer.is_feed])
    outputs = draw(st.lists(written, min_size=1, max_size=2, unique=True))
    tensors = {index: Tensor(index, "", (rows.size_bytes,), 1.0, 0) for index, rows in storages.items()}
    graph = Graph("random", "00" * 32, tensors, (), tuple(range(inputs)), tuple(outputs))
    return Program(graph, tuple(layers), storages, {index: index for index in storages})


def _draw_rows(draw: st.DrawFn) -> Rows:
    return Rows(draw(st.integers(1, 9)), draw(st.integers(1, 40)))


def _draw_operand(draw: st.DrawFn, storage: int, rows: Rows, output: Rows) -> Operand:
    if draw(st.integers(0, 5)) == 0:
        return Operand(storage, Rows(1, rows.size_bytes), Reach(), is_whole=True)
    reach = Reach(
        draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
    )
    return Operand(storage, rows, reach, is_whole=False)


@given(programs(), st.sampled_from([1, 4, 16]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_row_destroys_another(program: Program, alignment: int, fuse: bool) -> None:
    plan = plan_memory(program, alignment, fuse=fuse)
    assert all(offset % alignment == 0 for offset in plan.offsets.values())
    RowRunner(program, plan, None).run()


@given(programs(), st.sampled_from([1, 16]))
@settings(max_examples=100, deadline=None)
def test_no_row_with_a_place_of_its_own_destroys_another(program: Program, alignment: int) -> None:
    plan = plan_memory(program, alignment)
    placed = memory_plan._place_rows(program, plan.segments, alignment, replace(plan, arena_bytes=1 << 16))
    check_plan(program, placed)
    RowRunner(program, placed, None).run()


def test_check_and_shadow_run_agree_on_every_moved_row() -> None:
    """Each row that has a place of its own is moved onto each other one."""
    program = lower(tiny_model(), stream_input=True)
    plan = plan_memory(program, fuse=False)
    segments = with_segment(one_by_one(program), range(8))
    plan = memory_plan._place_rows(program, segments, 16, replace(plan, arena_bytes=1 << 16))
    rows = [(storage, row) for storage, places in plan.row_offsets.items() for row in range(len(places))]
    noticed = 0
    for storage, row in rows:
        for other, other_row in rows:
            places = list(plan.row_offsets[storage])
            places[row] = plan.row_offsets[other][other_row]
            moved = {**plan.row_offsets, storage: tuple(places)}
            wrong = replace(plan, row_offsets=moved, arena_bytes=plan.arena_bytes + 99)
            verdicts = [
                _destroys(partial(check_plan, program, wrong)),
                _destroys(RowRunner(program, wrong, None).run),
            ]
            assert verdicts[0] == verdicts[1]
            noticed += verdicts[0]
    assert noticed > 20


@given(programs())
@settings(max_examples=50, deadline=None)
def test_same_program_has_the_same_plan(program: Program) -> None:
    assert plan_memory(program) == plan_memory(program)


@given(programs())
@settings(max_examples=100, deadline=None)
def test_turns_never_need_more(program: Program) -> None:
    assert plan_memory(program).arena_bytes <= plan_memory(program, fuse=False).arena_bytes


def _constant(size_bytes: int, first: int, last: int) -> Buffer:
    """A buffer of which every byte is in use from step ``first`` to step ``last``."""
    count = last + 1 - first
    return Buffer(size_bytes, first, np.zeros(count, np.int64), np.full(count, size_bytes))


steps = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted)


@given(st.lists(st.tuples(st.integers(1, 9), steps), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_no_order_of_placing_is_better_for_few_buffers(shapes) -> None:
    buffers = [_constant(size, *lifetime) for size, lifetime in shapes]
    found = _arena_bytes(buffers, pack(buffers, alignment=1))
    best = min(
        _arena_bytes(buffers, _first_fit(buffers, order)) for order in permutations(range(len(buffers)))
    )
    assert found == best


def test_search_beats_every_greedy_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(7, 2, 5), (2, 2, 5), (7, 0, 3), (9, 1, 3), (8, 5, 5), (8, 0, 1), (4, 2, 4)]
    buffers = [_constant(*shape) for shape in shapes]
    assert _arena_bytes(buffers, pack(buffers, alignment=1)) == 29
    monkeypatch.setattr(memory_plan, "SEARCH_ROUNDS", 0)
    assert _arena_bytes(buffers, pack(buffers, alignment=1)) == 30


def test_an_output_may_grow_over_an_input_that_is_used_up() -> None:
    """Four rows of 8 bytes become four of 6: each is written a row of 6 bytes below what is still needed."""
    source = Buffer(32, 0, np.array([0, 8, 16, 24]), np.array([32, 32, 32, 32]))
    result = Buffer(24, 0, np.array([0, 0, 0, 0]), np.array([6, 12, 18, 24]))
    assert forbidden_distances(source, result) == (-6, 32)
    offsets = pack([source, result], alignment=1)
    assert offsets == [6, 0]


@pytest.mark.parametrize("model", [tiny_model, two_branches])
def test_check_and_shadow_run_agree_on_every_moved_tensor(model) -> None:
    """Each tensor is moved onto each other one: the check says no wherever the shadow run does."""
    program, plan = plan_graph(model())
    noticed = 0
    for moved in plan.offsets:
        for onto in plan.offsets:
            wrong = replace(
                plan, offsets={**plan.offsets, moved: plan.offsets[onto]}, arena_bytes=plan.arena_bytes + 999
            )
            verdicts = [
                _destroys(partial(check_plan, program, wrong)),
                _destroys(RowRunner(program, wrong, None).run),
            ]
            assert verdicts[0] == verdicts[1]
            noticed += verdicts[0]
    assert noticed > 2


def test_check_notices_a_ring_that_is_too_small() -> None:
    graph = tiny_model()
    program = lower(graph)
    plan = plan_memory(program)
    small = [storage for storage, rows in plan.ring_rows.items() if rows > 1]
    wrong = [
        replace(plan, ring_rows={**plan.ring_rows, storage: plan.ring_rows[storage] - 1}) for storage in small
    ]
    assert small
    for plan in wrong:
        with pytest.raises(InvalidPlanError):
            check_plan(program, plan)


@pytest.mark.parametrize("offset", [-16, 4096, 9])
def test_check_notices_an_offset_that_is_none(offset: int) -> None:
    program = lower(two_branches())
    plan = plan_memory(program)
    with pytest.raises(InvalidPlanError, match=r"outside the arena|no multiple"):
        check_plan(program, replace(plan, offsets={**plan.offsets, 1: offset}))


def test_shadow_run_notices_a_planner_that_frees_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan and its check share the definition of a reach; the shadow run does not."""
    monkeypatch.setattr(Reach, "first", lambda self, y: max(y * self.stride - self.pad_top + 1, 0))
    monkeypatch.setattr(memory_plan, "check_plan", lambda program, plan: None)
    monkeypatch.setattr(memory_plan, "forbidden_distances", _too_few)
    program = lower(tiny_model())
    with pytest.raises(DestroyedRowError):
        RowRunner(program, plan_memory(program), None).run()


def _too_few(a: Buffer, b: Buffer) -> tuple[int, int] | None:
    interval = forbidden_distances(a, b)
    return None if interval is None else (interval[0] + 2, interval[1] - 2)


def _destroys(run) -> bool:
    try:
        run()
    except (InvalidPlanError, DestroyedRowError):
        return True
    return False


def _first_fit(buffers: list[Buffer], order: tuple[int, ...]) -> list[int]:
    offsets: dict[int, int] = {}
    for number in order:
        taken = sorted(
            (offset, offset + buffers[other].size_bytes)
            for other, offset in offsets.items()
            if forbidden_distances(buffers[other], buffers[number]) is not None
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
