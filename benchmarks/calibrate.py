"""Measures what the kernels cost, for the cost model (edgekit/costs).

    python benchmarks/calibrate.py [--boards NAME,…] [--toolchains zig,gcc] [--levels …]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration_layers import calibration_graphs
from edgekit.boards import Board, ToolchainName, load_board
from edgekit.codegen.c_model import array_bytes, constant_bytes, generate_model, program_sources
from edgekit.codegen.layers import Program, lower
from edgekit.codegen.memory_plan import ARENA_ALIGNMENT, MemoryPlan
from edgekit.codegen.schedule import one_by_one
from edgekit.costs.work import layer_work
from edgekit.device.device import Device, GeneratedInput
from edgekit.device.emulators import instructions, open_emulator
from edgekit.firmware_project import EngineFiles
from edgekit.graph.ir import Graph
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.flags import Optimize


@dataclass(frozen=True)
class Measurement:
    """What an operator took, and its work: (kernel, kind) to count."""

    opcode: str
    instructions: int
    work: dict[tuple[str, str], int]


def measure(graph: Graph, board: Board, toolchain: ToolchainName, optimize: Optimize) -> list[Measurement]:
    features = frozenset() if optimize == "size" else CORES[board.mcu.core].features
    program = lower(graph, features, accumulate=True)
    plan = _roomy_plan(program)
    files = EngineFiles(
        generate_model(program, plan),
        program_sources(program),
        plan.arena_bytes,
        constant_bytes(program, plan),
        array_bytes(program),
    )
    with tempfile.TemporaryDirectory() as folder:
        project = assemble(board, graph, b"", files, "aot")
        write_project(project, Path(folder))
        result = compile_project(project, Path(folder), board, toolchain, optimize=optimize, engine="aot")
        with Device(open_emulator(board, result.image, count_instructions=True)) as device:
            total = instructions(board, device.run_generated(0).ticks)
            ticks = [instructions(board, p.ticks) for p in device.profile(GeneratedInput(0))]
    observed = sum(layer.rows.height for layer in program.layers if not layer.is_partial)
    excess = (sum(ticks) - total) / observed
    print(graph.name, board.name, toolchain, optimize, "total", total, "excess/row", round(excess, 2), file=sys.stderr)
    return list(_per_op(program, ticks, excess))


def _roomy_plan(program: Program) -> MemoryPlan:
    """Every tensor has a place of its own: there is room enough, and nothing to be searched for."""
    offsets, end = {}, 0
    for storage, rows in program.storages.items():
        offsets[storage] = end
        end += rows.size_bytes + -rows.size_bytes % ARENA_ALIGNMENT
    scratch = {index: end for index, layer in enumerate(program.layers) if layer.scratch_bytes}
    return MemoryPlan(
        segments=one_by_one(program),
        offsets=offsets,
        ring_rows={storage: rows.height for storage, rows in program.storages.items()},
        scratch_offsets=scratch,
        arena_bytes=end + max(layer.scratch_bytes for layer in program.layers),
        alignment=ARENA_ALIGNMENT,
    )


def _per_op(program: Program, ticks: Sequence[int], excess: float) -> Iterator[Measurement]:
    for op in program.graph.ops:
        layers = [layer for layer in program.layers if layer.op.index == op.index]
        work = {}
        rows = 0
        for layer in layers:
            rows += 0 if layer.is_partial else layer.rows.height
            for kind, count in layer_work(layer, program.graph).items():
                work[layer.call.function, kind] = count
        yield Measurement(op.opcode, round(ticks[op.index] - excess * rows), work)


def nonnegative_least_squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """x >= 0 that minimises |a x - b| (Lawson and Hanson, Solving Least Squares Problems, 1974, ch. 23)."""
    x = np.zeros(a.shape[1])
    passive = np.zeros(a.shape[1], bool)
    for _ in range(10 * a.shape[1]):
        gradient = a.T @ (b - a @ x)
        gradient[passive] = -np.inf
        best = int(np.argmax(gradient))
        if gradient[best] <= 1e-9:
            break
        passive[best] = True
        while True:
            s = np.zeros_like(x)
            s[passive] = np.linalg.lstsq(a[:, passive], b, rcond=None)[0]
            if (s[passive] > 0).all():
                x = s
                break
            below = passive & (s <= 0)
            step = (x[below] / (x[below] - s[below])).min()
            x = x + step * (s - x)
            passive &= x > 1e-12
            x[~passive] = 0
    return x


def fit(measurements: list[Measurement]) -> dict[str, dict[str, float]]:
    groups: list[tuple[set[str], list[Measurement]]] = []
    for m in measurements:
        names = {k for k, _ in m.work}
        together = [g for g in groups if g[0] & names]
        for g in together:
            groups.remove(g)
        groups.append((names.union(*(g[0] for g in together)), [m, *(x for g in together for x in g[1])]))
    table: dict[str, dict[str, float]] = {}
    for names, ms in groups:
        columns = sorted({key for m in ms for key in m.work})
        a = np.array([[m.work.get(c, 0) / m.instructions for c in columns] for m in ms], float)
        scale = np.maximum(a.max(axis=0), 1e-12)
        x = nonnegative_least_squares(a / scale, np.ones(len(ms))) / scale
        for (name, kind), value in zip(columns, x):
            table.setdefault(name, {})[kind] = float(value)
        error = a @ x - 1
        print(f"{sorted(names)}: {len(ms)} cases, {len(columns)} columns, rms {np.sqrt((error**2).mean()):.3f} worst {abs(error).max():.3f}")
    return table


if __name__ == "__main__":
    import pickle
    board, tc, level = sys.argv[1:4]
    ms = [m for g in calibration_graphs() for m in measure(g, load_board(board), tc, level)]
    pickle.dump(ms, open(f"/tmp/b/ms-{board}-{tc}-{level}.pkl", "wb"))
    t = fit(ms)
    for k, v in t.items():
        print(k, {a: round(b, 2) for a, b in v.items()})
