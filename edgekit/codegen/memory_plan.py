"""Where each activation lies: one offset a tensor in one arena, planned before any code is written.

The unit of planning is a :class:`Buffer`: bytes with a lifetime, holding one tensor or several that share
them. What may not happen between two buffers is an open interval of forbidden distances between their
offsets. Today that is "disjoint while both are alive"; a rule that lets an output grow over an input which
is being consumed only narrows the interval, and rows kept in a ring only make a buffer smaller. Neither
changes the search.

The search places buffers one after the other in several orders and keeps the smallest arena. Where that is
larger than the bytes alive at the busiest operator, a bounded branch and bound tries to do better. It counts
steps, not time, so the same graph has the same plan everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import TypeVar

from edgekit.graph.ir import Graph, Reshape

ARENA_ALIGNMENT = 16
"""Alignment of every tensor in bytes: the widest vector load of any core with kernels (128 bits)."""

SEARCH_STEPS = 50_000
"""Most placements that the branch and bound weighs: a fraction of a second."""

SEARCH_BUFFERS = 200
"""Most buffers for which there is a branch and bound: it descends one level a buffer."""

_T = TypeVar("_T")


class InvalidPlanError(Exception):
    """A plan would let one tensor destroy another: a defect of the planner, never of the user's model."""


@dataclass(frozen=True)
class Lifetime:
    """Steps of the schedule (positions in ``graph.ops``), both inclusive, at which bytes must be kept."""

    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether there is a step at which both are alive."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Buffer:
    """Bytes that live together: a tensor and those that RESHAPE makes of it (tensor indices, sorted)."""

    tensors: tuple[int, ...]
    size_bytes: int
    lifetime: Lifetime


@dataclass(frozen=True)
class MemoryPlan:
    """``offsets`` and ``lifetimes`` by tensor index; offsets in bytes from the arena's start, multiples of
    ``alignment``. An arena of ``arena_bytes``, itself aligned to ``alignment``, holds them all.
    """

    offsets: Mapping[int, int]
    lifetimes: Mapping[int, Lifetime]
    arena_bytes: int
    alignment: int


def plan_memory(graph: Graph, alignment: int = ARENA_ALIGNMENT) -> MemoryPlan:
    """The smallest arena found for ``graph``; checked by :func:`check_plan`.

    ``alignment`` (bytes, a power of two) holds for every offset. RESHAPE costs nothing: its output has the
    offset of its input. Inputs are kept from the start, outputs until the end.
    """
    buffers = graph_buffers(graph)
    offsets = pack(buffers, alignment)
    plan = MemoryPlan(
        offsets=_by_tensor(buffers, offsets),
        lifetimes=_by_tensor(buffers, [buffer.lifetime for buffer in buffers]),
        arena_bytes=_arena_bytes(buffers, offsets),
        alignment=alignment,
    )
    check_plan(graph, plan)
    return plan


def check_plan(graph: Graph, plan: MemoryPlan) -> None:
    """Proves ``plan`` on all pairs of tensors, from the graph alone. Raises InvalidPlanError."""
    storage = _storage(graph)
    lifetimes = _storage_lifetimes(graph, storage)
    for index in storage:
        offset, size_bytes = plan.offsets.get(index, -1), graph.tensors[index].size_bytes
        if offset < 0 or offset % plan.alignment or offset + size_bytes > plan.arena_bytes:
            raise InvalidPlanError(
                f"tensor {index} lies at {offset}..{offset + size_bytes} of an arena of {plan.arena_bytes} "
                f"bytes, alignment {plan.alignment}"
            )
    for a, b in combinations(storage, 2):
        if storage[a] == storage[b]:
            if plan.offsets[a] != plan.offsets[b]:
                raise InvalidPlanError(f"tensors {a} and {b} are the same bytes but lie at two places")
        elif lifetimes[storage[a]].overlaps(lifetimes[storage[b]]) and _overlap(graph, plan, a, b):
            raise InvalidPlanError(f"tensors {a} and {b} are alive at the same time and overlap")


def graph_buffers(graph: Graph) -> list[Buffer]:
    """The buffers that ``graph`` needs, in the order of their first tensor's index."""
    storage = _storage(graph)
    lifetimes = _storage_lifetimes(graph, storage)
    tensors: dict[int, list[int]] = {}
    for index in sorted(storage):
        tensors.setdefault(storage[index], []).append(index)
    return [
        Buffer(tuple(members), graph.tensors[root].size_bytes, lifetimes[root])
        for root, members in tensors.items()
    ]


def pack(buffers: Sequence[Buffer], alignment: int) -> list[int]:
    """An offset for each buffer, such that the arena is small. Deterministic."""
    problem = _Problem(buffers, alignment)
    best = min(_greedy_packings(problem), key=problem.arena_bytes)
    if problem.arena_bytes(best) > problem.lower_bound_bytes() and len(buffers) <= SEARCH_BUFFERS:
        best = _branch_and_bound(problem, best, SEARCH_STEPS)
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
        """Bytes alive at the busiest step: no packing of disjoint buffers is smaller."""
        return max((self._live_bytes(step) for step in range(_step_count(self.buffers))), default=0)

    def _live_bytes(self, step: int) -> int:
        sizes = [b.size_bytes for b in self.buffers if b.lifetime.first <= step <= b.lifetime.last]
        padded = [_align(size, self.alignment) for size in sizes]
        # The padding behind the topmost buffer is not needed.
        return sum(padded) - max((pad - size for pad, size in zip(padded, sizes, strict=True)), default=0)


def forbidden_distances(a: Buffer, b: Buffer) -> tuple[int, int] | None:
    """The open interval of ``offset(b) - offset(a)`` that would destroy bytes, None where nothing can."""
    if not a.lifetime.overlaps(b.lifetime):
        return None
    return -b.size_bytes, a.size_bytes


def _greedy_packings(problem: _Problem) -> Iterable[list[int]]:
    for order in _orders(problem.buffers):
        yield _place(problem, order, _first_fit)
        yield _place(problem, order, _best_fit)


def _orders(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Orders in which buffers are placed: the largest, the longest-lived, and both at once first; in the
    order of the schedule; and operator by operator, those with the most live bytes first.
    """
    live_bytes = [0] * _step_count(buffers)
    for buffer in buffers:
        for step in range(buffer.lifetime.first, buffer.lifetime.last + 1):
            live_bytes[step] += buffer.size_bytes

    def steps(buffer: Buffer) -> int:
        return buffer.lifetime.last - buffer.lifetime.first + 1

    def busiest(buffer: Buffer) -> int:
        return max(live_bytes[buffer.lifetime.first : buffer.lifetime.last + 1])

    keys: list[Callable[[Buffer], tuple[int, ...]]] = [
        lambda b: (-b.size_bytes, -steps(b)),
        lambda b: (-steps(b), -b.size_bytes),
        lambda b: (-b.size_bytes * steps(b),),
        lambda b: (b.lifetime.first, -b.size_bytes),
        lambda b: (-b.lifetime.last, -b.size_bytes),
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


def _branch_and_bound(problem: _Problem, best: list[int], steps: int) -> list[int]:
    """Packings built from the bottom up, each buffer at the lowest offset not below the one before it.

    Every packing whose buffers cannot be moved down is of this form. A branch ends where the arena would
    not be smaller than the best one's; the search ends at the lower bound or after weighing ``steps``
    placements.
    """
    best_bytes = problem.arena_bytes(best)
    lower_bound_bytes = problem.lower_bound_bytes()
    by_size = sorted(range(len(best)), key=lambda i: (-problem.buffers[i].size_bytes, i))
    offsets: dict[int, int] = {}

    def descend(floor: int) -> None:
        nonlocal best, best_bytes, steps
        if len(offsets) == len(by_size):
            best = [offsets[i] for i in range(len(by_size))]
            best_bytes = problem.arena_bytes(best)
            return
        remaining = [i for i in by_size if i not in offsets]
        steps -= len(remaining)
        choices = [(_first_fit(problem.gaps(i, offsets, floor)), i) for i in remaining]
        if any(offset + problem.buffers[i].size_bytes >= best_bytes for offset, i in choices):
            return  # that buffer's offset can only rise
        for offset, i in sorted(choices, key=lambda choice: choice[0]):
            if steps <= 0 or best_bytes == lower_bound_bytes:
                return
            if offset + problem.buffers[i].size_bytes < best_bytes:
                offsets[i] = offset
                descend(offset)
                del offsets[i]

    descend(0)
    return best


def _storage(graph: Graph) -> dict[int, int]:
    """For each activation, the tensor whose bytes it is: itself, or for RESHAPE's output its input's."""
    storage = {index: index for index in graph.inputs}
    for op in graph.ops:
        storage[op.output] = storage[op.inputs[0]] if isinstance(op, Reshape) else op.output
    return storage


def _storage_lifetimes(graph: Graph, storage: Mapping[int, int]) -> dict[int, Lifetime]:
    """From the step that writes the bytes to the last that reads them, for each tensor that owns bytes."""
    last_step = max(len(graph.ops) - 1, 0)
    first = dict.fromkeys((storage[index] for index in graph.inputs), 0)
    last = dict(first)
    for step, op in enumerate(graph.ops):
        for index in (*op.inputs, op.output):
            first.setdefault(storage[index], step)
            last[storage[index]] = step
    last.update(dict.fromkeys((storage[index] for index in graph.outputs), last_step))
    return {root: Lifetime(first[root], last[root]) for root in first}


def _overlap(graph: Graph, plan: MemoryPlan, a: int, b: int) -> bool:
    a_start, b_start = plan.offsets[a], plan.offsets[b]
    return a_start < b_start + graph.tensors[b].size_bytes and b_start < a_start + graph.tensors[a].size_bytes


def _step_count(buffers: Sequence[Buffer]) -> int:
    return max((buffer.lifetime.last + 1 for buffer in buffers), default=0)


def _by_tensor(buffers: Sequence[Buffer], values: Sequence[_T]) -> Mapping[int, _T]:
    pairs = {index: value for buffer, value in zip(buffers, values, strict=True) for index in buffer.tensors}
    return MappingProxyType(dict(sorted(pairs.items())))


def _arena_bytes(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((o + b.size_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)


def _align(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
