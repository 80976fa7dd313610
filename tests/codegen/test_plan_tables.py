"""The engine's tables: walked through as the engine does it, they give the schedule and the plan's places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from codegen.models import tiny_model, two_branches
from codegen.test_memory_plan import programs
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.codegen.layers import Operand, Program, lower
from edgekit.codegen.memory_plan import MemoryPlan, plan_graph, plan_memory
from edgekit.codegen.plan_tables import PlanTables, TensorRow, plan_tables
from edgekit.codegen.schedule import schedule
from edgekit.graph.tflite import read_tflite

Walked = tuple[int, int, list[int | None], int]
"""Layer and row, where the rows that it reads lie (None: outside the input), and where it writes."""

_PLACE_BYTES = 16


def engine_walk(tables: PlanTables, *, streamed: bool) -> Iterator[Walked]:
    """What firmware/engine/aot/ek_engine.c does with ``tables``."""
    first = 0
    while first < len(tables.layers):
        end = first + 1
        while tables.layers[end - 1].is_fused:
            end += 1
        progress = [0] * (end - first)
        yield from _continue_segment(tables, first, end - 1, progress)
        if first == 0 and streamed:
            for row in range(tables.outputs[0].height):
                yield (0, row, [], _address(tables, tables.outputs[0], row))
                progress[0] += 1
                yield from _continue_segment(tables, first, tables.layers[0].reader, progress)
        first = end


def _continue_segment(tables: PlanTables, first: int, index: int, progress: list[int]) -> Iterator[Walked]:
    while index >= first:
        layer, output, y = tables.layers[index], tables.outputs[index], progress[index - first]
        taps = _find_taps(tables, first, index, y, progress) if y < output.height else None
        if taps is None:
            index -= 1
            continue
        yield (index, y, taps, _address(tables, output, y))
        progress[index - first] += 1
        index += layer.reader


def _find_taps(
    tables: PlanTables, first: int, index: int, y: int, progress: list[int]
) -> list[int | None] | None:
    layer = tables.layers[index]
    taps: list[int | None] = []
    for operand in tables.operands[layer.first_operand : layer.first_operand + layer.operand_count]:
        tensor = (tables.outputs + tables.others[::-1])[operand.tensor]
        reach = tables.reaches[operand.reach]
        there = progress[operand.tensor - first] if operand.tensor >= first else tensor.height
        if there <= reach.last(y, tensor.height):
            return None
        rows = [y * reach.stride - reach.pad_top + tap * reach.dilation for tap in range(reach.taps)]
        taps += [_address(tables, tensor, row) if 0 <= row < tensor.height else None for row in rows]
    return taps


def _address(tables: PlanTables, tensor: TensorRow, row: int) -> int:
    if tensor.ring_rows == 0:
        return tables.row_places[tensor.offset + row] * _PLACE_BYTES
    return tensor.offset + row % tensor.ring_rows * tensor.row_bytes


def planned_walk(program: Program, plan: MemoryPlan) -> Iterator[Walked]:
    """The same from the schedule and the plan."""
    for step in schedule(program, plan.segments):
        layer = program.layers[step.layer]
        taps = [place for operand in layer.operands for place in _places_read(plan, operand, step.row)]
        row_bytes = layer.rows.row_bytes
        written = (
            plan.place(layer.storage, step.row, row_bytes)
            if layer.writes
            else plan.offsets[layer.storage] + step.row * row_bytes
        )
        yield (step.layer, step.row, taps, written)


def _places_read(plan: MemoryPlan, operand: Operand, y: int) -> Iterator[int | None]:
    reach, row_bytes = operand.reach, operand.rows.row_bytes
    for tap in range(reach.taps):
        row = y * reach.stride - reach.pad_top + tap * reach.dilation
        if not 0 <= row < operand.rows.height:
            yield None
        elif operand.is_whole:
            yield plan.offsets[operand.storage] + row * row_bytes
        else:
            yield plan.place(operand.storage, row, row_bytes)


def differences(program: Program, plan: MemoryPlan, tables: PlanTables | None = None) -> bool:
    tables = tables or plan_tables(program, plan)
    return list(engine_walk(tables, streamed=program.is_streamed)) != list(planned_walk(program, plan))


@given(programs(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_random_programs(program: Program, fuse: bool) -> None:
    assert not differences(program, plan_memory(program, alignment=16, fuse=fuse))


@pytest.mark.parametrize("stream_input", [False, True])
@pytest.mark.parametrize("planning", ["ram", "speed"])
def test_tiny_model(planning: str, stream_input: bool) -> None:
    assert not differences(*plan_graph(tiny_model(), planning=planning, stream_input=stream_input))


def test_two_branches() -> None:
    assert not differences(*plan_graph(two_branches()))


def test_reference_models(mlperf_tiny_model: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    assert not differences(*plan_graph(graph))
    assert not differences(*plan_graph(graph, planning="speed"))
    if graph.name != "ad01_int8":
        assert not differences(*plan_graph(graph, stream_input=True))


def test_what_layers_share_is_told_once() -> None:
    program, plan = plan_graph(tiny_model())
    tables = plan_tables(program, plan)
    assert len(set(tables.reaches)) == len(tables.reaches) < len(tables.operands)
    assert len(set(tables.others)) == len(tables.others)
    assert not set(tables.others) & set(tables.outputs[:1])


def test_a_wrong_entry_shows() -> None:
    """No number of the tables is without effect on the walk."""
    program = lower(tiny_model(), stream_input=True)
    plan = plan_memory(program, alignment=16)
    tables = plan_tables(program, plan)
    for index, layer in enumerate(tables.layers[: len(plan.segments[0])]):
        if layer.reader != 0:
            layers = (*tables.layers[:index], replace(layer, reader=0), *tables.layers[index + 1 :])
            assert differences(program, plan, replace(tables, layers=layers))
    fed = tables.layers[1].first_operand  # what the streamed input itself reads need only never be there
    for index, operand in enumerate(tables.operands[fed:], fed):
        other = replace(operand, tensor=operand.tensor - 1)
        operands = (*tables.operands[:index], other, *tables.operands[index + 1 :])
        assert differences(program, plan, replace(tables, operands=operands)), other
    for number in range(len(tables.reaches)):
        reach = replace(tables.reaches[number], pad_top=tables.reaches[number].pad_top + 1)
        reaches = (*tables.reaches[:number], reach, *tables.reaches[number + 1 :])
        assert differences(program, plan, replace(tables, reaches=reaches)), reach
