"""Measures what kernels and images cost, for edgekit/costs: one table for each core and compiler.

    python benchmarks/calibrate.py [--cores NAME,…] [--toolchains zig,gcc]

Layers of many sizes (calibration_layers.py) run in emulators that count instructions; how a kernel's
instructions grow with its work is fitted to that. Bytes come from object files and from the images of all
bare-metal boards.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import linux_cores
import msgspec
import numpy as np
from calibration_layers import WHOLE_MEANS, calibration_graphs, chain
from numpy.typing import NDArray
from object_code import ObjectPiece, reached, read_pieces

from edgekit.boards import Board, ToolchainName, board_names, load_board
from edgekit.codegen.c_model import array_bytes, constant_bytes, generate_model, program_sources
from edgekit.codegen.layers import Program, lower
from edgekit.codegen.memory_plan import ARENA_ALIGNMENT, MemoryPlan
from edgekit.codegen.schedule import Segments, one_by_one
from edgekit.costs.prediction import ENGINE
from edgekit.costs.tables import CostTable, Harness, Level, Piece, Variable, measured_core, table_path
from edgekit.costs.work import engine_work, layer_work
from edgekit.device.device import Device, GeneratedInput
from edgekit.device.emulators import instructions, open_emulator
from edgekit.firmware_project import EngineFiles
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.build import BuildResult, compile_project, find_toolchain
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.elf import read_symbols
from edgekit.toolchains.flags import Optimize

EMULATED = {
    "cortex-m0": "virt-cortex-m0",
    "cortex-m3": "mps2-an385",
    "cortex-m4f": "virt-cortex-m4",
    "cortex-m55": "mps3-an547",
    "rv32imc": "virt-rv32",
    "cortex-a53": "rpi3",
    "cortex-a72": "rpi4",
    "cortex-a76": "rpi5",
    "cortex-a7": "rpi3-32bit",
    "arm1176": "rpizero",
}
"""The board on which each core's kernels are counted."""

_LEVELS: Mapping[str, Optimize] = {"size": "ram", "speed": "speed"}
_KERNELS = "kernels/"
_DIGITS = 3


@dataclass(frozen=True)
class Measurement:
    """Instructions of an operator, and its work: (kernel, kind) to count."""

    instructions: int
    work: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Image:
    """A program that was compiled: its objects' pieces, the image, and what it was made of."""

    program: Program
    plan: MemoryPlan
    pieces: Mapping[str, ObjectPiece]
    result: BuildResult


def compile_image(
    program: Program, plan: MemoryPlan, board: Board, toolchain: ToolchainName, level: str, folder: Path
) -> Image:
    """``program`` as it lies in ``plan``, compiled in ``folder``."""
    files = EngineFiles(
        lambda: generate_model(program, plan),
        program_sources(program),
        plan.arena_bytes,
        constant_bytes(program, plan),
        array_bytes(program),
    )
    project = assemble(board, program.graph, b"", files, "aot")
    write_project(project, folder)
    result = compile_project(project, folder, board, toolchain, optimize=_LEVELS[level], engine="aot")
    objects = {source: folder / "build" / "obj" / f"{source}.o" for source in project.recipe.sources}
    return Image(program, plan, read_pieces(objects), result)


def roomy_plan(program: Program, segments: Segments | None = None) -> MemoryPlan:
    """Every tensor has a place of its own: there is room enough, and nothing to be searched for."""
    offsets, end = {}, 0
    for storage, rows in program.storages.items():
        offsets[storage] = end
        end += rows.size_bytes + -rows.size_bytes % ARENA_ALIGNMENT
    return MemoryPlan(
        segments=segments or one_by_one(program),
        offsets=offsets,
        ring_rows={storage: rows.height for storage, rows in program.storages.items()},
        scratch_offsets={index: end for index, layer in enumerate(program.layers) if layer.scratch_bytes},
        arena_bytes=end + max(layer.scratch_bytes for layer in program.layers),
        alignment=ARENA_ALIGNMENT,
    )


@dataclass(frozen=True)
class Counts:
    """Instructions of an inference, and of each operator with what it takes to observe its rows."""

    total: int
    by_op: Mapping[int, int]


def count_image(image: Image, board: Board) -> Counts:
    """On an emulated board without an operating system."""
    with Device(open_emulator(board, image.result.image, count_instructions=True)) as device:
        total = instructions(board, device.run_generated(0).ticks)
        profiles = device.profile(GeneratedInput(0))
    return Counts(total, {profile.op_index: instructions(board, profile.ticks) for profile in profiles})


def count_process(program: Program, plan: MemoryPlan, board: Board, level: str) -> Counts:
    """As a process of an emulated Linux core."""
    noise = np.random.default_rng(0).integers(0, 256, plan.arena_bytes, dtype=np.uint8)
    ends = [plan.offsets[index] + program.storages[index].size_bytes for index in program.inputs]
    with tempfile.TemporaryDirectory() as folder:
        plugin = linux_cores.compile_plugin(Path(folder))
        binary = linux_cores.compile_program(program, plan, board, _LEVELS[level], Path(folder))
        # Inputs lie one behind the other, from the first on.
        _, found = linux_cores.infer(board, binary, plugin, noise[: max(ends)].tobytes(), output_bytes=1)
    return Counts(found.total, {op.index: found.layers[op.index] for op in program.graph.ops})


def measurements_of(program: Program, counts: Counts) -> Iterator[Measurement]:
    """What each operator took without being observed."""
    observed = {index: _observed_rows(program, index) for index in counts.by_op}
    excess = (sum(counts.by_op.values()) - counts.total) / sum(observed.values())
    for index, count in counts.by_op.items():
        yield Measurement(round(count - excess * observed[index]), _op_work(program, index))


def _observed_rows(program: Program, op_index: int) -> int:
    return sum(
        layer.rows.height for layer in program.layers if layer.op.index == op_index and not layer.is_partial
    )


def _op_work(program: Program, op_index: int) -> dict[tuple[str, str], int]:
    return {
        (layer.call.cost_name, kind): count
        for layer in program.layers
        if layer.op.index == op_index and layer.call is not None
        for kind, count in layer_work(layer, program.graph).items()
    }


def count_engine(board: Board, toolchain: ToolchainName, level: str) -> dict[str, float]:
    """What a look in vain costs: a chain of layers whose rows take turns, and the same one by one."""
    measurements = []
    for depth in (3, 6, 12):
        program = lower(chain(depth))
        totals = []
        for segments in (one_by_one(program), (range(len(program.layers)),)):
            plan = roomy_plan(program, segments)
            if is_linux(board):
                totals.append(count_process(program, plan, board, level).total)
                continue
            with tempfile.TemporaryDirectory() as folder:
                image = compile_image(program, plan, board, toolchain, level, Path(folder))
                totals.append(count_image(image, board).total)
        work = {(ENGINE, kind): count for kind, count in engine_work(program, plan).items()}
        measurements.append(Measurement(totals[1] - totals[0], work))
    return fit(measurements)[ENGINE]


def fit(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """The costs of each kind of work that explain the measurements best, relative to their size."""
    costs: dict[str, dict[str, float]] = {}
    for kernels, together in _connected(measurements):
        columns = sorted({key for measurement in together for key in measurement.work})
        work = np.array([[m.work.get(column, 0) / m.instructions for column in columns] for m in together])
        scale = work.max(axis=0)
        found = nonnegative_least_squares(work / scale, np.ones(len(together))) / scale
        for (kernel, kind), cost in zip(columns, found.tolist(), strict=True):
            costs.setdefault(kernel, {})[kind] = round(cost, _DIGITS)
        errors = work @ found - 1
        spread = float(np.sqrt((errors**2).mean()))
        print(f"  {' '.join(sorted(kernels))}: {len(together)} layers, error {spread:.1%}", flush=True)
    return costs


def _connected(measurements: Sequence[Measurement]) -> Iterator[tuple[set[str], list[Measurement]]]:
    """Measurements that have kernels in common, together."""
    groups: list[tuple[set[str], list[Measurement]]] = []
    for measurement in measurements:
        kernels, together = {kernel for kernel, _ in measurement.work}, [measurement]
        for group in [group for group in groups if group[0] & kernels]:
            groups.remove(group)
            kernels, together = kernels | group[0], group[1] + together
        groups.append((kernels, together))
    yield from groups


def nonnegative_least_squares(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``x`` >= 0 that minimises |a x - b| (Lawson, Hanson: Solving Least Squares Problems, 1974, ch. 23)."""
    x = np.zeros(a.shape[1])
    is_free = np.zeros(a.shape[1], np.bool_)
    while True:
        slope = np.where(is_free, -np.inf, a.T @ (b - a @ x))
        if slope.max() <= 1e-9:
            return x
        is_free[slope.argmax()] = True
        while True:
            best = np.zeros_like(x)
            best[is_free] = np.linalg.lstsq(a[:, is_free], b, rcond=None)[0]
            below = is_free & (best <= 0)
            if not below.any():
                x = best
                break
            x = x + (x[below] / (x[below] - best[below])).min() * (best - x)
            is_free &= x > 1e-12
            x[~is_free] = 0


def is_linux(board: Board) -> bool:
    """Whether programs run under an operating system there."""
    return board.engines["aot"].framework == "linux"


def measure_harness(image: Image, kernels: Mapping[str, ObjectPiece]) -> Harness:
    """What of ``image`` is neither its model nor kernels."""
    program, result = image.program, image.result
    functions = {layer.call.function for layer in program.layers if layer.call is not None}
    in_image = {symbol.name: symbol for symbol in read_symbols(result.image)}
    others = {
        name
        for name, piece in image.pieces.items()
        if not piece.source.startswith((_KERNELS, "model/")) and name in in_image
    }
    shared = reached({**image.pieces, **kernels}, others) & reached(kernels, kernels) - kernels.keys()
    own = {name for name in reached(kernels, functions) if name not in shared}
    kernel_bytes = sum(
        kernels[name].size_bytes if name in kernels else in_image[name].size_bytes for name in own
    )
    flash_bytes = result.flash_bytes - kernel_bytes - constant_bytes(program, image.plan)
    return Harness(
        flash_bytes=flash_bytes,
        data_bytes=result.data_bytes,
        variables=_variables(image),
        pieces=tuple(sorted(shared)),
    )


def _variables(image: Image) -> tuple[Variable, ...]:
    """In the order of their addresses; a compiler may make one of several."""
    pieces = {
        symbol: (name, piece)
        for name, piece in image.pieces.items()
        if piece.is_zeroed
        for symbol in piece.symbols
    }
    keys = [(symbol.name, symbol.size_bytes) for symbol in read_symbols(image.result.image)]
    found = dict.fromkeys(pieces[key][0] for key in keys if key in pieces)
    return tuple(
        Variable(name=name, size_bytes=image.pieces[name].size_bytes, alignment=image.pieces[name].alignment)
        for name in found
    )


def calibrate(core: str, toolchain: ToolchainName) -> CostTable:
    """The costs of ``core`` with ``toolchain``."""
    board = load_board(EMULATED[core])
    boards = [load_board(name) for name in board_names()]
    levels = {}
    for level in _LEVELS:
        print(f"{core}, {toolchain}, {level}", flush=True)
        measurements: list[Measurement] = []
        kernels: dict[str, ObjectPiece] = {}
        sizes: dict[str, int] = {}
        for features in _feature_sets(core):
            for graph in calibration_graphs():
                program = lower(graph, features, accumulate=graph.name != WHOLE_MEANS)
                if is_linux(board):
                    counts = count_process(program, roomy_plan(program), board, level)
                    measurements += measurements_of(program, counts)
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    image = compile_image(program, roomy_plan(program), board, toolchain, level, Path(folder))
                    measurements += measurements_of(program, count_image(image, board))
                    kernels |= {
                        name: piece
                        for name, piece in image.pieces.items()
                        if piece.source.startswith(_KERNELS)
                    }
                    sizes |= {symbol.name: symbol.size_bytes for symbol in read_symbols(image.result.image)}
        costs = fit(measurements)
        costs[ENGINE] = count_engine(board, toolchain, level)
        levels[level] = Level(
            instructions=costs,
            pieces=_pieces(kernels, sizes, costs),
            harnesses=dict(_harnesses(boards, core, toolchain, level, kernels)),
        )
    found = find_toolchain(board, toolchain)
    return CostTable(
        core=core,
        compiler=f"{found.name} {found.version}",
        levels=levels,
    )


def _feature_sets(core: str) -> list[frozenset[str]]:
    """So that each kernel of the core runs many layers, also one to which others leave few."""
    features = frozenset[str](CORES[core].features)
    sets = (features, features - {"mve"}, features - {"dotprod"}, frozenset[str]())
    return sorted(set(sets), key=sorted)


def _pieces(
    kernels: Mapping[str, ObjectPiece], sizes: Mapping[str, int], functions: Mapping[str, object]
) -> dict[str, Piece]:
    """What the measured kernels reach; library functions, which no object defines, by their bytes."""
    names = reached(kernels, {name.split()[0] for name in functions} & kernels.keys())
    return {
        name: Piece(size_bytes=kernels[name].size_bytes, refers_to=tuple(sorted(kernels[name].refers_to)))
        if name in kernels
        else Piece(size_bytes=sizes.get(name, 0))
        for name in sorted(names)
    }


def _harnesses(
    boards: Sequence[Board],
    core: str,
    toolchain: ToolchainName,
    level: str,
    kernels: Mapping[str, ObjectPiece],
) -> Iterator[tuple[str, Harness]]:
    """By port, for the boards without an SDK of that core."""
    program = lower(chain(3))
    for board in boards:
        engine = board.engines.get("aot")
        if measured_core(board.mcu.core) != core or engine is None or engine.framework != "baremetal":
            continue
        with tempfile.TemporaryDirectory() as folder:
            image = compile_image(program, roomy_plan(program), board, toolchain, level, Path(folder))
            yield engine.target, measure_harness(image, kernels)


def main() -> None:
    """Calibrates what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", default=",".join(EMULATED))
    parser.add_argument("--toolchains", default="zig,gcc")
    options = parser.parse_args()
    for core in options.cores.split(","):
        for toolchain in options.toolchains.split(","):
            if toolchain not in load_board(EMULATED[core]).engines["aot"].toolchains:
                continue
            path = table_path(core, toolchain)
            path.parent.mkdir(exist_ok=True)
            text = msgspec.json.format(msgspec.json.encode(calibrate(core, toolchain)), indent=1)
            path.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
