"""Where each activation lies: one offset a tensor in one arena, planned before any code is written.

The unit of planning is a :class:`Buffer`: bytes that come to life and die while the schedule runs. What may
not happen between two buffers is an open interval of forbidden distances between their offsets, so that an
output may grow over an input that is being used up. A tensor that only one segment writes and reads needs
no more rows at a time than are alive: they lie in a ring.

The search places buffers one after the other in several orders and keeps the smallest arena. Where that is
larger than the bytes alive at the busiest step, other orders are tried, a bounded number of times. Which
layers take turns is found before (``segments.py``). All of it counts steps, not time, so the same graph has
the same plan everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.layers import Program, lower
from edgekit.codegen.rows import mergeable
from edgekit.codegen.schedule import (
    Extent,
    Segments,
    Step,
    apart,
    can_fuse,
    extents,
    one_by_one,
    schedule,
    with_segment,
)
from edgekit.codegen.segments import likely_segments
from edgekit.graph.ir import Graph

ARENA_ALIGNMENT = 16
"""Alignment of every tensor in bytes: the widest vector load of any core with kernels (128 bits)."""

SEARCH_ROUNDS = 300
"""Other orders that are tried for each candidate, where the simple ones leave a gap to the lower bound."""

SEARCH_BUFFERS = 200
"""Most buffers for which they are tried: the time grows with the square."""


ROW_SEARCH_ROUNDS = 120
"""Other orders that are tried where each row has a place of its own: there are hundreds of buffers then."""

_PLACE_BYTES = 2
"""Of a row's place in the generated table, which counts in units of ARENA_ALIGNMENT."""

_LARGEST_PLACED_ARENA_BYTES = ARENA_ALIGNMENT << 16

_SHARES_FOR_MERGED = (1.0, 0.85, 0.7)
"""Of the arena, that images seen as single rows may take by themselves: less of it is surer to be free."""


class InvalidPlanError(Exception):
    """A plan would let one tensor destroy another: a defect of the planner, never of the user's model."""


@dataclass(frozen=True)
class Buffer:
    """Bytes that live together. At step ``first + t`` the bytes ``low[t]`` to ``high[t]`` (exclusive) of
    its ``size_bytes`` are in use; before ``first`` and from ``first + len(low)`` on there are none.
    """

    size_bytes: int
    first: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    @property
    def end(self) -> int:
        """The step after its last."""
        return self.first + len(self.low)


@dataclass(frozen=True)
class MemoryPlan:
    """``segments`` of the schedule; ``offsets`` and ``ring_rows`` by storage, ``scratch_offsets`` by layer
    (those that need scratch bytes). Offsets are bytes from the arena's start, multiples of ``alignment``.
    Row r of a storage lies at offset + (r % ring_rows) * row_bytes, or, where it has no offset, at
    ``row_offsets[storage][r]``: its rows have places of their own, wherever there is room while each exists.
    An arena of ``arena_bytes``, itself aligned to ``alignment``, holds them all.
    """

    segments: Segments
    offsets: Mapping[int, int]
    ring_rows: Mapping[int, int]
    scratch_offsets: Mapping[int, int]
    arena_bytes: int
    alignment: int
    row_offsets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def place(self, storage: int, row: int, row_bytes: int) -> int:
        """Where row ``row`` of ``storage`` lies."""
        if storage in self.row_offsets:
            return self.row_offsets[storage][row]
        return self.offsets[storage] + row % self.ring_rows[storage] * row_bytes


Planning = Literal["ram", "speed"]
"""What a plan strives for: the smallest arena, or the fewest instructions."""


def plan_graph(
    graph: Graph,
    features: frozenset[str] = frozenset(),
    planning: Planning = "ram",
    *,
    stream_input: bool = False,
) -> tuple[Program, MemoryPlan]:
    """The layers of ``graph`` for a core of those ``features``, and their plan.

    "ram" runs layers in turns where that makes the arena smaller, gives each row that exists only while they
    do a place of its own, and sees images as single rows where that does not make it larger. "speed" runs
    layer by layer, on single rows wherever it can. ``stream_input``: the input comes row by row. Raises
    UsageError where it cannot.
    """
    low = partial(lower, graph, features, stream_input=stream_input, known_calls={})
    if planning == "speed":
        readers = {op.index for op in graph.ops if stream_input and graph.inputs[0] in op.inputs}
        program = low(merged=frozenset(mergeable(graph)) - readers)
        return program, plan_memory(program, fuse=False)
    programs = (low(), low(accumulate=True))
    plans = [(program, plan_memory(program)) for program in programs]
    accumulate = plans[1][1].arena_bytes < plans[0][1].arena_bytes
    low = partial(low, accumulate=accumulate)
    return min(
        _merged(*plans[accumulate], low),
        _with_placed_rows(*plans[accumulate], low),
        key=lambda p: p[1].arena_bytes,
    )


def _merged(program: Program, plan: MemoryPlan, low: Callable[..., Program]) -> tuple[Program, MemoryPlan]:
    """The same with images as single rows wherever the arena does not grow, the last layers first.

    ``low`` makes the program with those operators ``merged``.
    """
    alone = {program.layers[segment.start].op.index for segment in plan.segments if len(segment) == 1}
    merged: frozenset[int] = frozenset()
    for index in reversed([index for index in mergeable(program.graph) if index in alone]):
        candidate = low(merged=merged | {index})
        planned = _plan_segments(candidate, plan.segments, plan.alignment)
        if planned.arena_bytes <= plan.arena_bytes:
            program, plan, merged = candidate, planned, merged | {index}
    check_plan(program, plan)
    return program, plan


def _with_placed_rows(
    program: Program, plan: MemoryPlan, low: Callable[..., Program]
) -> tuple[Program, MemoryPlan]:
    """The same with a place of its own for each row that would lie in a ring, in the best of a few
    partitions, and with images as single rows wherever the arena does not grow. ``low`` as for
    :func:`_merged`.
    """
    best = plan
    for segments in (plan.segments, *likely_segments(program, _row_peak_bytes)):
        best = _place_rows(program, segments, plan.alignment, best)
    best = _place_rows(program, _with_fewer_runs(program, best), plan.alignment, best)
    alone = {program.layers[segment.start].op.index for segment in best.segments if len(segment) == 1}
    merged = frozenset[int]()
    for share in _SHARES_FOR_MERGED if best.row_offsets else ():
        limit_bytes = int(best.arena_bytes * share)
        merged = frozenset(
            index
            for index in mergeable(program.graph)
            if index in alone and _step_bytes(low(merged=frozenset({index})), index) <= limit_bytes
        )
        candidate = low(merged=merged)
        planned = _place_rows(candidate, best.segments, plan.alignment, plan)
        if planned.arena_bytes <= best.arena_bytes:
            program, best = candidate, planned
            break
    check_plan(program, best)
    return program, best


def _with_fewer_runs(program: Program, plan: MemoryPlan) -> Segments:
    """The segments of ``plan``, later ones with one layer after the other where that leaves room."""
    segments = plan.segments
    for segment in [segment for segment in segments[1:] if len(segment) > 1]:
        simpler = apart(segments, segment, 0)
        steps = schedule(program, simpler)
        buffers = _apart(program, simpler, steps, extents(program, steps))
        if _live_bytes(list(buffers.values())).max(initial=0) <= _SHARES_FOR_MERGED[1] * plan.arena_bytes:
            segments = simpler
    return segments


def _row_peak_bytes(program: Program) -> int:
    """Bytes alive at the busiest step of a program that is one segment, where each row has its own place."""
    segments = (range(len(program.layers)),)
    steps = schedule(program, segments)
    buffers = _apart(program, segments, steps, extents(program, steps))
    return int(_live_bytes(list(buffers.values())).max(initial=0))


def _step_bytes(program: Program, op_index: int) -> int:
    """Bytes that a step of operator ``op_index`` takes by itself, where it is seen as a single row."""
    layer = next(layer for layer in program.layers if layer.op.index == op_index)
    return layer.rows.size_bytes + layer.scratch_bytes + sum(o.rows.size_bytes for o in layer.operands)


_Piece = tuple[Literal["storage", "scratch", "row"], int, int]
"""What has a place of its own: a storage, the scratch bytes of a layer, or a row of a storage."""


def _apart(
    program: Program, segments: Segments, steps: Sequence[Step], extent: Mapping[int, Extent]
) -> dict[_Piece, Buffer]:
    """The buffers of a plan in which each row that would lie in a ring has a place of its own."""
    rings = _ring_rows(program, segments, extent)
    buffers: dict[_Piece, Buffer] = {}
    for storage, rows in program.storages.items():
        if rings[storage] < rows.height:
            for row in range(rows.height):
                buffers["row", storage, row] = _row_buffer(extent[storage], row, rows.row_bytes)
        elif extent[storage].most > 0:
            buffers["storage", storage, 0] = _buffer(
                extent[storage], rows.row_bytes, rows.height, rows.height
            )
    for index, layer in enumerate(program.layers):
        if layer.scratch_bytes:
            buffers["scratch", index, 0] = _scratch_buffer(layer.scratch_bytes, index, steps)
    return buffers


def _place_rows(program: Program, segments: Segments, alignment: int, best: MemoryPlan) -> MemoryPlan:
    """A plan with a place of its own for each row that would lie in a ring; ``best`` where that saves no more
    than the table of the places takes.
    """
    steps = schedule(program, segments)
    pieces = _apart(program, segments, steps, extents(program, steps))
    row_count = sum(kind == "row" for kind, *_ in pieces)
    limit_bytes = best.arena_bytes - (0 if best.row_offsets else _PLACE_BYTES * row_count)
    limit_bytes = min(limit_bytes, _LARGEST_PLACED_ARENA_BYTES)
    problem = _Problem(list(pieces.values()), alignment)
    if not row_count or problem.lower_bound_bytes() > limit_bytes:
        return best
    offsets = min(_greedy_packings(problem), key=problem.arena_bytes)
    offsets = _rearrange(problem, offsets, ROW_SEARCH_ROUNDS)
    arena_bytes = problem.arena_bytes(offsets)
    if arena_bytes > limit_bytes:
        return best
    place = dict(zip(pieces, offsets, strict=True))
    rows_of: dict[int, list[int]] = {}
    for (kind, storage, _), offset in place.items():
        if kind == "row":
            rows_of.setdefault(storage, []).append(offset)
    return MemoryPlan(
        segments=segments,
        offsets={index: offset for (kind, index, _), offset in place.items() if kind == "storage"},
        ring_rows={storage: rows.height for storage, rows in program.storages.items()},
        scratch_offsets={index: offset for (kind, index, _), offset in place.items() if kind == "scratch"},
        arena_bytes=arena_bytes,
        alignment=alignment,
        row_offsets={storage: tuple(places) for storage, places in rows_of.items()},
    )


def _row_buffer(extent: Extent, row: int, row_bytes: int) -> Buffer:
    """A row while it exists."""
    times = np.flatnonzero((extent.low <= row) & (row < extent.high))
    count = int(times[-1]) + 1 - int(times[0])
    return Buffer(row_bytes, int(times[0]), np.zeros(count, np.int64), np.full(count, row_bytes))


def plan_memory(program: Program, alignment: int = ARENA_ALIGNMENT, *, fuse: bool = True) -> MemoryPlan:
    """The smallest arena found for ``program``; checked by :func:`check_plan`.

    ``alignment`` (bytes, a power of two) holds for every offset. Without ``fuse`` every layer runs on its
    own.
    """
    plans = [_plan_segments(program, _alone(program), alignment)]
    if fuse:
        likely = likely_segments(program, _peak_bytes)
        plans += [_plan_segments(program, segments, alignment) for segments in likely]
    best = _with_fewer_turns(program, min(plans, key=lambda plan: plan.arena_bytes))
    check_plan(program, best)
    return best


def _with_fewer_turns(program: Program, plan: MemoryPlan) -> MemoryPlan:
    """The same with layers one after the other wherever the arena does not grow."""
    for segment in plan.segments:
        # A streamed input comes with the layer that takes it up.
        least = min(2, len(segment)) if program.is_streamed and segment.start == 0 else 0
        for fused in range(least, len(segment)):
            simpler = _plan_segments(program, apart(plan.segments, segment, fused), plan.alignment)
            if simpler.arena_bytes <= plan.arena_bytes:
                plan = simpler
                break
    return plan


def _peak_bytes(program: Program) -> int:
    """Bytes alive at the busiest step of a program that is one segment."""
    segments = (range(len(program.layers)),)
    steps = schedule(program, segments)
    _, buffers = _buffers(program, segments, steps, extents(program, steps))
    return int(_live_bytes(buffers).max(initial=0))


def _alone(program: Program) -> Segments:
    """Each layer in a segment of its own but for a streamed input, which the next layer takes up."""
    segments, feed = one_by_one(program), range(2)
    return with_segment(segments, feed) if program.is_streamed and can_fuse(program, feed) else segments


def _plan_segments(program: Program, segments: Segments, alignment: int) -> MemoryPlan:
    """The smallest arena found with ``segments``."""
    steps = schedule(program, segments)
    extent = extents(program, steps)
    owners, buffers = _buffers(program, segments, steps, extent)
    places = dict(zip(owners, pack(buffers, alignment), strict=True))
    return MemoryPlan(
        segments=segments,
        offsets={owner.storage: place for owner, place in places.items() if owner.storage is not None},
        ring_rows=_ring_rows(program, segments, extent),
        scratch_offsets={owner.layer: place for owner, place in places.items() if owner.layer is not None},
        arena_bytes=_arena_bytes(buffers, list(places.values())),
        alignment=alignment,
    )


@dataclass(frozen=True)
class _Owner:
    """What a buffer is for: a storage, or the scratch bytes of a layer."""

    storage: int | None = None
    layer: int | None = None


def _buffers(
    program: Program, segments: Segments, steps: Sequence[Step], extent: Mapping[int, Extent]
) -> tuple[list[_Owner], list[Buffer]]:
    rings = _ring_rows(program, segments, extent)
    buffers = {
        _Owner(storage=storage): _buffer(extent[storage], rows.row_bytes, rings[storage], rows.height)
        for storage, rows in program.storages.items()
        if extent[storage].most > 0
    }
    for index, layer in enumerate(program.layers):
        if layer.scratch_bytes:
            buffers[_Owner(layer=index)] = _scratch_buffer(layer.scratch_bytes, index, steps)
    return list(buffers), list(buffers.values())


def _ring_rows(program: Program, segments: Segments, extent: Mapping[int, Extent]) -> dict[int, int]:
    """Rows to keep of each storage: all, unless one segment of several layers alone writes and reads it."""
    segment_of = {index: number for number, segment in enumerate(segments) for index in segment}
    users: dict[int, set[int]] = {storage: set() for storage in program.storages}
    for index, layer in enumerate(program.layers):
        users[layer.storage].add(segment_of[index])
        for operand in layer.operands:
            users[operand.storage].add(-1 if operand.is_whole else segment_of[index])
    for storage in (*program.inputs, *program.outputs):
        users[storage].add(-1)
    return {
        storage: max(extent[storage].most, 1)
        if len(users[storage]) == 1 and len(segments[min(users[storage])]) > 1
        else rows.height
        for storage, rows in program.storages.items()
    }


def _buffer(extent: Extent, row_bytes: int, ring_rows: int, height: int) -> Buffer:
    steps = slice(extent.first, extent.last + 1)
    low, high = extent.low[steps] * row_bytes, extent.high[steps] * row_bytes
    if ring_rows < height:
        # Whichever rows there are, they may lie anywhere in the ring.
        low, high = np.zeros_like(low), np.where(high > low, ring_rows * row_bytes, 0)
    return Buffer(ring_rows * row_bytes, extent.first, low, high)


def _scratch_buffer(size_bytes: int, layer: int, steps: Sequence[Step]) -> Buffer:
    times = [time for time, step in enumerate(steps) if step.layer == layer]
    count = times[-1] + 1 - times[0]
    # Between the layer's rows nobody needs it.
    high = np.zeros(count, np.int64)
    high[np.array(times) - times[0]] = size_bytes
    return Buffer(size_bytes, times[0], np.zeros(count, np.int64), high)


def check_plan(program: Program, plan: MemoryPlan) -> None:
    """Proves ``plan`` by running it: every byte of the arena knows which row owns it, and every row that a
    layer reads must own all of its bytes. Raises InvalidPlanError.
    """
    owners = np.full(plan.arena_bytes, _NOBODY, np.int64)
    first_row = _row_numbers(program)

    def place(storage: int, row: int) -> slice:
        row_bytes = program.storages[storage].row_bytes
        begin = plan.place(storage, row, row_bytes)
        if begin < 0 or begin + row_bytes > plan.arena_bytes:
            raise InvalidPlanError(f"row {row} of tensor {storage} lies outside the arena")
        return slice(begin, begin + row_bytes)

    def write(storage: int, row: int) -> None:
        owners[place(storage, row)] = first_row[storage] + row

    def read(storage: int, row: int, reader: str) -> None:
        if not (owners[place(storage, row)] == first_row[storage] + row).all():
            raise InvalidPlanError(f"row {row} of tensor {storage} is destroyed before {reader} reads it")

    _check_offsets(program, plan)
    for storage in program.inputs:
        for row in range(program.storages[storage].height):
            write(storage, row)
    for step in schedule(program, plan.segments):
        layer = program.layers[step.layer]
        reader = f"row {step.row} of operator {layer.op.index}"
        if layer.scratch_bytes:
            begin = plan.scratch_offsets[step.layer]
            owners[begin : begin + layer.scratch_bytes] = _NOBODY
        if layer.writes:
            write(layer.storage, step.row)
        for storage, row in _rows_read(program, step):
            read(storage, row, reader)
        if layer.writes:
            read(layer.storage, step.row, reader)
    for storage in program.outputs:
        for row in range(program.storages[storage].height):
            read(storage, row, "the caller")


_NOBODY = -1


def _row_numbers(program: Program) -> dict[int, int]:
    """A number for the first row of each storage, such that every row of the program has one of its own."""
    numbers, count = {}, 0
    for storage, rows in program.storages.items():
        numbers[storage] = count
        count += rows.height
    return numbers


def _rows_read(program: Program, step: Step) -> Iterator[tuple[int, int]]:
    for operand in program.layers[step.layer].operands:
        height = program.storages[operand.storage].height
        if operand.is_whole:
            yield from ((operand.storage, row) for row in range(height))
        else:
            first, reach = step.row * operand.reach.stride - operand.reach.pad_top, operand.reach
            for row in range(first, first + reach.taps * reach.dilation, reach.dilation):
                if 0 <= row < height:
                    yield operand.storage, row


def _check_offsets(program: Program, plan: MemoryPlan) -> None:
    rows = [(storage, offset) for storage, places in plan.row_offsets.items() for offset in places]
    for what, offset in (*plan.offsets.items(), *plan.scratch_offsets.items(), *rows):
        if offset % plan.alignment:
            raise InvalidPlanError(f"{what} lies at {offset}, which is no multiple of {plan.alignment}")
    for index, offset in plan.scratch_offsets.items():
        if offset < 0 or offset + program.layers[index].scratch_bytes > plan.arena_bytes:
            raise InvalidPlanError(f"the scratch bytes of layer {index} lie outside the arena")


def pack(buffers: Sequence[Buffer], alignment: int) -> list[int]:
    """An offset for each buffer, such that the arena is small. Deterministic."""
    problem = _Problem(buffers, alignment)
    best = min(_greedy_packings(problem), key=problem.arena_bytes)
    if problem.arena_bytes(best) > problem.lower_bound_bytes() and len(buffers) <= SEARCH_BUFFERS:
        best = _rearrange(problem, best, SEARCH_ROUNDS)
    return best


class _Problem:
    """Buffers and, for each pair, the distances between their offsets that are forbidden."""

    def __init__(self, buffers: Sequence[Buffer], alignment: int) -> None:
        self.buffers = buffers
        self.alignment = alignment
        self._conflicts: list[list[tuple[int, int, int]]] = [[] for _ in buffers]
        for a, b in combinations(range(len(buffers)), 2):
            interval = forbidden_distances(buffers[a], buffers[b])
            if interval is not None:
                low, high = interval
                self._conflicts[b].append((a, low, high))
                self._conflicts[a].append((b, -high, -low))

    def gaps(
        self, buffer: int, offsets: Mapping[int, int], floor: int = 0
    ) -> Iterable[tuple[int, int | None]]:
        """First and last aligned offset of each gap, from ``floor`` upwards, in which ``buffer`` may start,
        given the ``offsets`` of those already placed. The last gap has no end.
        """
        forbidden = sorted(
            (offsets[other] + low, offsets[other] + high)
            for other, low, high in self._conflicts[buffer]
            if other in offsets
        )
        start = floor
        for low, high in forbidden:
            if start <= low:
                yield start, low
            start = max(start, _align(high, self.alignment))
        yield start, None

    def arena_bytes(self, offsets: Sequence[int]) -> int:
        return _arena_bytes(self.buffers, offsets)

    def lower_bound_bytes(self) -> int:
        """Bytes alive at the busiest step: no packing is smaller."""
        return int(_live_bytes(self.buffers).max(initial=0))


def forbidden_distances(a: Buffer, b: Buffer) -> tuple[int, int] | None:
    """The open interval of ``offset(b) - offset(a)`` that would destroy bytes, None where nothing can.

    At one step, a's bytes low_a..high_a and b's low_b..high_b are apart where the distance is at least
    high_a - low_b or at most low_a - high_b; the interval spans those of all steps.
    """
    begin, end = max(a.first, b.first), min(a.end, b.end)
    if begin >= end:
        return None
    low_a, high_a = a.low[begin - a.first : end - a.first], a.high[begin - a.first : end - a.first]
    low_b, high_b = b.low[begin - b.first : end - b.first], b.high[begin - b.first : end - b.first]
    both = (high_a > low_a) & (high_b > low_b)
    if not both.any():
        return None
    return int((low_a - high_b)[both].min()), int((high_a - low_b)[both].max())


def _live_bytes(buffers: Sequence[Buffer]) -> NDArray[np.int64]:
    """Bytes in use at each step."""
    live = np.zeros(max((buffer.end for buffer in buffers), default=0), np.int64)
    for buffer in buffers:
        live[buffer.first : buffer.end] += buffer.high - buffer.low
    return live


def _greedy_packings(problem: _Problem) -> Iterable[list[int]]:
    for order in _orders(problem.buffers):
        yield _place(problem, order, _first_fit)
        yield _place(problem, order, _best_fit)


def _orders(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Orders in which buffers are placed: the largest, the longest-lived, and both at once first; in the
    order of the schedule; and operator by operator, those with the most live bytes first.
    """
    live_bytes = _live_bytes(buffers)

    def steps(buffer: Buffer) -> int:
        return buffer.end - buffer.first

    def busiest(buffer: Buffer) -> int:
        return int(live_bytes[buffer.first : buffer.end].max())

    keys: list[Callable[[Buffer], tuple[int, ...]]] = [
        lambda b: (-b.size_bytes, -steps(b)),
        lambda b: (-steps(b), -b.size_bytes),
        lambda b: (-b.size_bytes * steps(b),),
        lambda b: (b.first, -b.size_bytes),
        lambda b: (-b.end, -b.size_bytes),
        lambda b: (-busiest(b), -b.size_bytes),
    ]
    indices = range(len(buffers))
    return [sorted(indices, key=lambda i, key=key: (*key(buffers[i]), i)) for key in keys]  # type: ignore[misc]


_Rule = Callable[[Iterable[tuple[int, int | None]]], int]


def _place(problem: _Problem, order: Iterable[int], choose: _Rule) -> list[int]:
    offsets: dict[int, int] = {}
    for buffer in order:
        offsets[buffer] = choose(problem.gaps(buffer, offsets))
    return [offsets[i] for i in range(len(problem.buffers))]


def _first_fit(gaps: Iterable[tuple[int, int | None]]) -> int:
    """The lowest offset."""
    return next(iter(gaps))[0]


def _best_fit(gaps: Iterable[tuple[int, int | None]]) -> int:
    """The gap that leaves the fewest bytes over."""
    return min(gaps, key=lambda gap: (gap[1] is None, (gap[1] or 0) - gap[0], gap[0]))[0]


def _rearrange(problem: _Problem, best: list[int], rounds: int) -> list[int]:
    """Placements in other orders: again and again a buffer that reaches the arena's top goes first, or at
    least before others ("squeaky wheel"). Ends at the lower bound or after ``rounds``.
    """
    random = Random(0)  # noqa: S311 (a search, the same every time)
    sizes = [buffer.size_bytes for buffer in problem.buffers]
    best_bytes, lower_bound_bytes = problem.arena_bytes(best), problem.lower_bound_bytes()
    # The order in which placing from the bottom up gives these offsets or lower ones.
    order = sorted(range(len(best)), key=lambda i: (best[i], i))
    for _ in range(rounds):
        if best_bytes <= lower_bound_bytes:
            break
        rule = random.choice((_first_fit, _best_fit))
        offsets = _place(problem, order, rule)
        arena_bytes = problem.arena_bytes(offsets)
        if arena_bytes < best_bytes:
            best, best_bytes = offsets, arena_bytes
        squeaking = [i for i in range(len(offsets)) if offsets[i] + sizes[i] >= best_bytes]
        wheel = random.choice(squeaking or range(len(offsets)))
        place = order.index(wheel)
        order.insert(random.randint(0, max(place - 1, 0)), order.pop(place))
    return best


def _arena_bytes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((o + b.size_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
