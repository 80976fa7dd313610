"""Which layers run in turns: the partition into segments that needs the fewest bytes at its busiest step.

What is alive while a segment runs depends on its own layers alone, and on what earlier ones leave to later
ones. So the busiest step of every run of layers is found once, and dynamic programming puts the best of them
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from edgekit.codegen.layers import Program
from edgekit.codegen.schedule import Segments, can_fuse

LONGEST_SEGMENT = 16
"""Most layers in one segment; longer ones gain nothing on the networks that were tried."""

Peak = Callable[[Program], int]


def likely_segments(program: Program, peak_bytes: Peak) -> list[Segments]:
    """Partitions whose largest peak is the smallest possible: with few fused layers, with many, and with
    small peaks everywhere. They differ in how well their tensors can be packed.

    ``peak_bytes`` gives the bytes alive at the busiest step of a program that is one segment.
    """
    peaks = _peaks(program, peak_bytes)
    count = len(program.layers)
    lowest = _fold(count, peaks, lambda begun, segment: max(begun, peaks[segment]))
    limit_bytes = lowest[count][0]
    allowed = {segment: peak for segment, peak in peaks.items() if peak <= limit_bytes}
    costs: tuple[_Cost, ...] = (
        lambda begun, segment: begun + _fused(segment),
        lambda begun, segment: begun - _fused(segment),
        lambda begun, segment: begun + peaks[segment],
    )
    return [_partition(count, _fold(count, allowed, cost)) for cost in costs]


_Cost: TypeAlias = Callable[[int, tuple[int, int]], int]


def _fused(segment: tuple[int, int]) -> int:
    start, end = segment
    return end - start if end - start > 1 else 0


def _partition(count: int, best: Mapping[int, tuple[int, int]]) -> Segments:
    segments: list[range] = []
    end = count
    while end:
        start = best[end][1]
        segments.insert(0, range(start, end))
        end = start
    return tuple(segments)


def _fold(count: int, segments: Mapping[tuple[int, int], int], cost: _Cost) -> dict[int, tuple[int, int]]:
    """For each number of first layers, the least cost of covering them, and where its last segment starts."""
    best = {0: (0, 0)}
    for end in range(1, count + 1):
        ways = [
            (cost(best[start][0], (start, end)), start)
            for start in range(max(end - LONGEST_SEGMENT, 0), end)
            if (start, end) in segments and start in best
        ]
        if ways:
            best[end] = min(ways, key=lambda way: (way[0], -way[1]))
    return best


def _peaks(program: Program, peak_bytes: Peak) -> dict[tuple[int, int], int]:
    """The peak of every segment that is possible."""
    count = len(program.layers)
    writer = {layer.storage: index for index, layer in enumerate(program.layers) if layer.writes}
    last_use = dict.fromkeys(program.outputs, count)
    for index, layer in enumerate(program.layers):
        for operand in layer.operands:
            last_use[operand.storage] = max(index, last_use.get(operand.storage, 0))
    peaks = {}
    for start in range(count):
        for end in range(start + 1, min(start + LONGEST_SEGMENT, count) + 1):
            if end - start > 1 and not can_fuse(program, range(start, end)):
                break
            peaks[start, end] = _kept_bytes(program, start, end, writer, last_use) + peak_bytes(
                _part(program, start, end, last_use)
            )
    return peaks


def _kept_bytes(
    program: Program, start: int, end: int, writer: Mapping[int, int], last_use: Mapping[int, int]
) -> int:
    """Bytes that lie there meanwhile: written before, read after, and not touched."""
    touched = {
        storage
        for layer in program.layers[start:end]
        for storage in (layer.storage, *(operand.storage for operand in layer.operands))
    }
    return sum(
        rows.size_bytes
        for storage, rows in program.storages.items()
        if storage not in touched and writer.get(storage, -1) < start and last_use.get(storage, -1) >= end
    )


def _part(program: Program, start: int, end: int, last_use: Mapping[int, int]) -> Program:
    """Those layers as a program of their own. What later ones read, too, is among its outputs."""
    layers = program.layers[start:end]
    written = [layer.storage for layer in layers if layer.writes]
    read = [operand.storage for layer in layers for operand in layer.operands]
    used = dict.fromkeys((*read, *written))
    inputs = tuple(storage for storage in used if storage not in written)
    outputs = tuple(storage for storage in used if last_use.get(storage, -1) >= end)
    graph = replace(program.graph, inputs=inputs, outputs=outputs)
    storages = {storage: program.storages[storage] for storage in used}
    return Program(graph, layers, storages, {storage: storage for storage in used})
