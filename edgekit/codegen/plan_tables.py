"""What the engine is told of a program and its memory plan, as numbers: the tables of ``ek_plan.h``.

Whatever several layers have in common is told once: tensors, how far windows reach, the rows that stand in
for those outside an input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from edgekit.codegen.layers import Layer, Operand, Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.codegen.rows import Reach, Rows
from edgekit.errors import ModelError

_PLACE_UNIT_BYTES = 16
_MOST_NUMBERED = 255
_MOST_TENSORS = 1 << 15

# Bytes of the structs and numbers on a core of 32 bits.
_LAYER_BYTES = 20
_TENSOR_BYTES = 12
_OPERAND_BYTES = 4
_REACH_BYTES = 12
_PLACE_BYTES = 2
_OFFSET_BYTES = 4
_POINTER_BYTES = 4
_PLAN_BYTES = 40


@dataclass(frozen=True)
class TensorRow:
    """``ek_tensor``."""

    offset: int
    row_bytes: int
    height: int
    ring_rows: int


@dataclass(frozen=True)
class OperandRow:
    """``ek_operand``: numbers of a tensor, a reach and an outside row (0: none)."""

    tensor: int
    reach: int
    outside: int


@dataclass(frozen=True)
class LayerRow:
    """What ``ek_layer`` says besides the kernel and the operator."""

    scratch_offset: int
    first_operand: int
    operand_count: int
    is_fused: bool
    reader: int


@dataclass(frozen=True)
class PlanTables:
    """``outputs`` are the tensors that layers write, one each; ``others`` have the numbers -1, -2, …: the
    inputs, and tensors seen under other rows.

    ``outside_rows`` maps each value that fills rows outside an input to the bytes of the longest such row.
    """

    layers: tuple[LayerRow, ...]
    outputs: tuple[TensorRow, ...]
    others: tuple[TensorRow, ...]
    operands: tuple[OperandRow, ...]
    reaches: tuple[Reach, ...]
    outside_rows: Mapping[int, int]
    row_places: tuple[int, ...]
    output_offsets: tuple[int, ...]
    most_taps: int
    longest_segment: int

    @property
    def size_bytes(self) -> int:
        """Bytes of constants on a 32-bit core."""
        return (
            _PLAN_BYTES
            + _LAYER_BYTES * len(self.layers)
            + _TENSOR_BYTES * (len(self.outputs) + len(self.others))
            + _OPERAND_BYTES * len(self.operands)
            + _REACH_BYTES * len(self.reaches)
            + _POINTER_BYTES * (1 + len(self.outside_rows))
            + sum(self.outside_rows.values())
            + _PLACE_BYTES * len(self.row_places)
            + _OFFSET_BYTES * len(self.output_offsets)
        )


def plan_tables(program: Program, plan: MemoryPlan) -> PlanTables:
    """The tables of ``program`` as ``plan`` has it. Raises ModelError where a table would be too long."""
    layers = program.layers
    segments = {index: segment for segment in plan.segments for index in segment}
    outputs = tuple(_output(plan, layer) for layer in layers)
    others = [_tensor(plan, storage, program.storages[storage]) for storage in program.inputs]
    reads = [_reads(layer) for layer in layers]
    reaches = list(dict.fromkeys(operand.reach for operands in reads for operand in operands))
    outside = _outside_rows(program)
    operands = tuple(
        OperandRow(
            _operand_tensor(program, plan, outputs, others, layer, operand, segments[index]),
            reaches.index(operand.reach),
            _outside_number(layer, list(outside)),
        )
        for index, layer in enumerate(layers)
        for operand in reads[index]
    )
    if max(len(outside), len(reaches)) > _MOST_NUMBERED or max(len(outputs), len(others)) > _MOST_TENSORS:
        raise ModelError(
            f"{program.graph.name} has more kinds of layers than the ahead-of-time engine can number. Use a "
            "smaller model."
        )
    return PlanTables(
        layers=_layer_rows(program, plan, segments, [len(operands) for operands in reads]),
        outputs=outputs,
        others=tuple(others),
        operands=operands,
        reaches=tuple(reaches),
        outside_rows=outside,
        row_places=tuple(
            offset // _PLACE_UNIT_BYTES for places in plan.row_offsets.values() for offset in places
        ),
        output_offsets=tuple(plan.offsets[storage] for storage in program.outputs),
        most_taps=max(sum(operand.reach.taps for operand in layer.operands) for layer in layers),
        longest_segment=max(map(len, plan.segments)),
    )


def _reads(layer: Layer) -> tuple[Operand, ...]:
    """What a layer reads: the streamed input its own next row, so that it is never ready."""
    return layer.operands or (Operand(layer.storage, layer.rows, Reach(), is_whole=False),)


def _layer_rows(
    program: Program, plan: MemoryPlan, segments: Mapping[int, range], operand_counts: Sequence[int]
) -> tuple[LayerRow, ...]:
    first_operands = accumulate(operand_counts, initial=0)
    return tuple(
        LayerRow(
            scratch_offset=plan.scratch_offsets.get(index, 0),
            first_operand=first_operand,
            operand_count=operand_count,
            is_fused=index + 1 in segments[index],
            reader=last_reader(program, index, segments[index]) - index,
        )
        for index, (first_operand, operand_count) in enumerate(
            zip(first_operands, operand_counts, strict=False)
        )
    )


def last_reader(program: Program, index: int, segment: range) -> int:
    """The last layer of the segment that reads what layer ``index`` writes; ``index`` where none does."""
    storage = program.layers[index].storage
    readers = [
        reader
        for reader in range(index + 1, segment.stop)
        if any(operand.storage == storage for operand in program.layers[reader].operands)
    ]
    return readers[-1] if readers else index


def _output(plan: MemoryPlan, layer: Layer) -> TensorRow:
    """Where a layer writes; of one that writes nothing, where its input lies under other rows."""
    return _tensor(plan, layer.storage, layer.rows, is_whole=not layer.writes)


def _tensor(plan: MemoryPlan, storage: int, rows: Rows, *, is_whole: bool = False) -> TensorRow:
    """``rows`` of ``storage``; ``is_whole``: not those in which it is written, so all of them are there."""
    if storage in plan.row_offsets:
        before = list(plan.row_offsets).index(storage)
        first = sum(len(places) for places in list(plan.row_offsets.values())[:before])
        return TensorRow(first, rows.row_bytes, rows.height, 0)
    ring_rows = rows.height if is_whole else plan.ring_rows[storage]
    return TensorRow(plan.offsets[storage], rows.row_bytes, rows.height, ring_rows)


def _operand_tensor(
    program: Program,
    plan: MemoryPlan,
    outputs: Sequence[TensorRow],
    others: list[TensorRow],
    layer: Layer,
    operand: Operand,
    segment: range,
) -> int:
    """The number of what ``operand`` reads, which is added to ``others`` where it has none yet.

    What a layer of the segment writes has that layer's number, which tells how many rows there are. All of
    anything else is there, and has the number of whatever has the wanted rows at the same places.
    """
    for index in segment:
        if program.layers[index].writes and program.layers[index].storage == operand.storage:
            return index
    tensor = _tensor(plan, operand.storage, operand.rows, is_whole=operand.is_whole)
    wanted = _wanted_rows(layer, operand)
    for number, other in enumerate(outputs[: segment.start]):
        if _agree(tensor, other, wanted):
            return number
    for number, other in enumerate(others):
        if _agree(tensor, other, wanted):
            return -1 - number
    others.append(tensor)
    return -len(others)


def _wanted_rows(layer: Layer, operand: Operand) -> set[int]:
    """The rows that the layer asks for, those outside the operand included."""
    reach = operand.reach
    firsts = range(-reach.pad_top, layer.rows.height * reach.stride - reach.pad_top, reach.stride)
    return {first + tap * reach.dilation for first in firsts for tap in range(reach.taps)}


def _agree(tensor: TensorRow, other: TensorRow, wanted: set[int]) -> bool:
    """Whether both have the same of the ``wanted`` rows, at the same places."""
    if tensor == other:
        return True
    if tensor.offset != other.offset or not tensor.ring_rows or not other.ring_rows:
        return False
    return all(_place(tensor, row) == _place(other, row) for row in wanted)


def _place(tensor: TensorRow, row: int) -> int | None:
    return row % tensor.ring_rows * tensor.row_bytes if 0 <= row < tensor.height else None


def _outside_value(layer: Layer) -> int | None:
    return layer.call.outside if layer.call is not None else None


def _outside_number(layer: Layer, values: list[int]) -> int:
    value = _outside_value(layer)
    return 0 if value is None else 1 + values.index(value)


def _outside_rows(program: Program) -> dict[int, int]:
    """For each value that fills rows outside an input, the bytes of the longest such row."""
    sizes: dict[int, int] = {}
    for layer in program.layers:
        value = _outside_value(layer)
        if value is not None:
            sizes[value] = max(sizes.get(value, 0), layer.operands[0].rows.row_bytes)
    return dict(sorted(sizes.items()))
