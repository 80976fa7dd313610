"""In which order rows are computed, and which rows of each tensor must exist meanwhile.

The layers run in segments. Within a segment of several layers the next row computed is always one of the
latest layer whose input rows are there, so that rows are used up as soon as they can be. The engine in C
(firmware/engine/aot/ek_engine.c) does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.layers import Program

Segments: TypeAlias = tuple[range, ...]
"""Ranges of layers that cover all of them in order."""


@dataclass(frozen=True)
class Step:
    """Row ``row`` of the output of layer ``layer`` is computed."""

    layer: int
    row: int


@dataclass(frozen=True)
class Extent:
    """The rows of a tensor that exist at each step: ``low`` (inclusive) to ``high`` (exclusive), int64 each.

    Rows that are read or written at a step exist at it. Where nothing exists, ``low`` equals ``high``.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @property
    def first(self) -> int:
        """The first step at which there is a row."""
        return int(np.argmax(self.high > self.low))

    @property
    def last(self) -> int:
        """The last such step."""
        exists = self.high > self.low
        return len(exists) - 1 - int(np.argmax(exists[::-1]))

    @property
    def most(self) -> int:
        """Most rows at a time."""
        return int((self.high - self.low).max(initial=0))


def one_by_one(program: Program) -> Segments:
    """Each layer in a segment of its own."""
    return tuple(range(index, index + 1) for index in range(len(program.layers)))


def with_segment(segments: Segments, fused: range) -> Segments:
    """``segments`` with the layers ``fused`` in one: those that it cuts keep what is left of them."""
    before = tuple(range(s.start, min(s.stop, fused.start)) for s in segments if s.start < fused.start)
    after = tuple(range(max(s.start, fused.stop), s.stop) for s in segments if s.stop > fused.stop)
    return (*before, fused, *after)


def apart(segments: Segments, segment: range, fused: int) -> Segments:
    """``segments`` with the layers of ``segment`` each in one of its own but for the first ``fused``."""
    first, rest = segment[:fused], segment[fused:]
    alone = tuple(range(index, index + 1) for index in rest)
    return tuple(
        part
        for other in segments
        for part in (((first,) if first else ()) + alone if other == segment else (other,))
    )


def can_fuse(program: Program, segment: range) -> bool:
    """Whether those layers can run in turns: each writes rows and takes what the others write row by row."""
    written = {program.layers[index].storage for index in segment}
    return all(
        program.layers[index].writes
        and not any(o.is_whole and o.storage in written for o in program.layers[index].operands)
        for index in segment
    )


def schedule(program: Program, segments: Segments) -> list[Step]:
    """All steps in their order."""
    steps: list[Step] = []
    for segment in segments:
        steps.extend(_segment_steps(program, segment))
    return steps


class Turns:
    """The layers of a segment while they take turns: how many rows each has computed."""

    def __init__(self, program: Program, segment: range) -> None:
        self._layers = program.layers
        self._progress = dict.fromkeys(segment, 0)
        self._producer = {
            self._layers[index].storage: index for index in segment if self._layers[index].writes
        }

    def next_row(self, index: int) -> int | None:
        """The row that layer ``index`` computes next; None where it has computed all."""
        row = self._progress[index]
        return row if row < self._layers[index].rows.height else None

    def is_ready(self, index: int) -> bool:
        """Whether there is such a row, and all that it is computed from."""
        row = self.next_row(index)
        return row is not None and all(
            self._progress[self._producer[operand.storage]] > operand.reach.last(row, operand.rows.height)
            for operand in self._layers[index].operands
            if operand.storage in self._producer
        )

    def take(self, index: int) -> Step:
        """Layer ``index`` computes its next row."""
        self._progress[index] += 1
        return Step(index, self._progress[index] - 1)


def _segment_steps(program: Program, segment: range) -> Iterator[Step]:
    turns = Turns(program, segment)
    for _ in range(sum(program.layers[index].rows.height for index in segment)):
        yield turns.take(next(index for index in reversed(segment) if turns.is_ready(index)))


def extents(program: Program, steps: Sequence[Step]) -> Mapping[int, Extent]:
    """For each storage, which of its rows exist at each of ``steps``.

    Inputs that are not streamed are there from the start, outputs until the end.
    """
    now = np.arange(len(steps))
    times = _times(program, steps)
    low = {storage: np.full(len(steps), rows.height) for storage, rows in program.storages.items()}
    high = {storage: np.zeros(len(steps), np.int64) for storage in program.storages}
    for storage in program.inputs:
        high[storage][:] = program.storages[storage].height
    for layer, at in zip(program.layers, times, strict=True):
        following = np.searchsorted(at, now)  # the row that the layer computes next, at this step or later
        for operand in layer.operands:
            first = np.arange(len(at)) * operand.reach.stride - operand.reach.pad_top
            first = np.zeros_like(first) if operand.is_whole else np.maximum(first, 0)
            needed = np.append(first, program.storages[operand.storage].height)[following]
            np.minimum(low[operand.storage], needed, out=low[operand.storage])
        if layer.writes:
            high[layer.storage] = np.searchsorted(at, now, side="right")
            # A row that nobody reads is written all the same.
            low[layer.storage][at] = np.minimum(low[layer.storage][at], np.arange(len(at)))
    for storage in program.inputs:
        low[storage][:1] = 0  # The caller writes all of it, whatever is read.
    for storage in program.outputs:
        low[storage][:] = 0
    return {
        storage: Extent(np.minimum(low[storage], high[storage]), high[storage])
        for storage in program.storages
    }


def _times(program: Program, steps: Sequence[Step]) -> list[NDArray[np.int64]]:
    """For each layer, the steps at which its rows are computed."""
    layers = np.array([step.layer for step in steps], np.int64)
    return [np.flatnonzero(layers == index) for index in range(len(program.layers))]
