"""Measures what kernels and images cost, for edgekit/costs: one table for each core and compiler.

    python benchmarks/calibrate.py [--cores NAME,…] [--toolchains zig,gcc] [--layers N] [--only KIND,…]

Layers of many sizes (calibration_layers.py) run in emulators that count instructions; how a kernel's
instructions grow with its work is fitted to that. Bytes come from object files and from the images of all
bare-metal boards.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import linux_cores
import msgspec
import numpy as np
from calibration_layers import FAMILIES, WHOLE_MEANS, chain, family, gathered
from fitting import Measurement, fit
from object_code import ObjectPiece, read_pieces, symbol_bytes

from edgekit.boards import Board, ToolchainName, board_names, load_board
from edgekit.codegen.c_model import array_bytes, constant_bytes, generate_model, program_sources
from edgekit.codegen.kernels import TABLES
from edgekit.codegen.kernels.values import KernelCall
from edgekit.codegen.layers import KnownCalls, Program, lower
from edgekit.codegen.memory_plan import ARENA_ALIGNMENT, MemoryPlan
from edgekit.codegen.schedule import Segments, one_by_one
from edgekit.costs.prediction import ENGINE
from edgekit.costs.tables import (
    CostTable,
    Harness,
    Level,
    Piece,
    Variable,
    cost_table,
    measured_core,
    reached,
    table_path,
)
from edgekit.costs.work import engine_work, layer_work
from edgekit.device.device import Device, GeneratedInput
from edgekit.device.emulators import instructions, open_emulator
from edgekit.firmware_project import EngineFiles
from edgekit.graph.ir import Graph, Op
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
_ENOUGH = 24
_MOST_BYTES = 300_000
_MOST_LAYERS = 150


@dataclass(frozen=True)
class Image:
    """A program that was compiled: its objects' pieces, the image, and what it was made of."""

    program: Program
    plan: MemoryPlan
    pieces: Mapping[str, ObjectPiece]
    result: BuildResult

    @property
    def kernels(self) -> dict[str, ObjectPiece]:
        """The pieces of kernels."""
        return {name: piece for name, piece in self.pieces.items() if piece.source.startswith(_KERNELS)}


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
    # Numbers that no operator has are told, too, without bytes.
    layers = {profile.op_index: profile.ticks for profile in profiles if profile.size_bytes}
    return Counts(total, {index: instructions(board, ticks) for index, ticks in layers.items()})


def count_process(program: Program, plan: MemoryPlan, board: Board, level: str) -> Counts:
    """As a process of an emulated Linux core."""
    noise = np.random.default_rng(0).integers(0, 256, plan.arena_bytes, dtype=np.uint8)
    begins = [plan.offsets[index] for index in program.inputs]
    ends = [plan.offsets[index] + program.storages[index].size_bytes for index in program.inputs]
    with tempfile.TemporaryDirectory() as folder:
        plugin = linux_cores.compile_plugin(Path(folder))
        binary = linux_cores.compile_program(program, plan, board, _LEVELS[level], Path(folder))
        # Inputs lie one behind the other, and are set together.
        inputs = noise[min(begins) : max(ends)].tobytes()
        _, found = linux_cores.infer(board, binary, plugin, inputs, output_bytes=1)
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


def is_linux(board: Board) -> bool:
    """Whether programs run under an operating system there."""
    return board.engines["aot"].framework == "linux"


def measure_harness(image: Image, kernels: Mapping[str, ObjectPiece]) -> Harness:
    """What of ``image`` is neither its model nor kernels."""
    program, result = image.program, image.result
    functions = {layer.call.function for layer in program.layers if layer.call is not None}
    in_image = symbol_bytes(result.image)
    others = {
        name
        for name, piece in image.pieces.items()
        if not piece.source.startswith((_KERNELS, "model/")) and name in in_image
    }
    library = reached(kernels, kernels) - kernels.keys()
    reached_here = reached(kernels, functions)
    # An object of a library has several functions: one that no kernel here asks for is the harness's.
    shared = library & (reached({**image.pieces, **kernels}, others) | (in_image.keys() - reached_here))
    own = reached_here - shared
    kernel_bytes = sum(kernels[name].size_bytes if name in kernels else in_image[name] for name in own)
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


def calibrate(core: str, toolchain: ToolchainName, enough: int) -> CostTable:
    """The costs of ``core`` with ``toolchain``, of ``enough`` layers of each kind for each kernel."""
    board = load_board(EMULATED[core])
    boards = [load_board(name) for name in board_names()]
    programs = calibration_programs(core, enough, list(FAMILIES))
    levels = {}
    for level in _LEVELS:
        print(f"{core}, {toolchain}, {level}", flush=True)
        found = measure(programs, board, toolchain, level)
        costs = fit(found.measurements)
        costs[ENGINE] = count_engine(board, toolchain, level)
        levels[level] = Level(
            instructions=costs,
            pieces=_pieces(found.kernels, found.sizes, costs),
            harnesses=dict(_harnesses(boards, core, toolchain, level, found.kernels)),
        )
    compiler = find_toolchain(board, toolchain)
    return CostTable(
        core=core,
        compiler=f"{compiler.name} {compiler.version}",
        levels=levels,
    )


def calibrate_kinds(
    before: CostTable, toolchain: ToolchainName, enough: int, kinds: Sequence[str]
) -> CostTable:
    """``before`` with what layers of those kinds cost now. All else of it must still hold."""
    board = load_board(EMULATED[before.core])
    boards = [load_board(name) for name in board_names()]
    programs = calibration_programs(before.core, enough, kinds)
    levels = {}
    for level, old in before.levels.items():
        print(f"{before.core}, {toolchain}, {level}", flush=True)
        found = measure(programs, board, toolchain, level)
        costs = fit(found.measurements)
        harnesses = dict(_harnesses(boards, before.core, toolchain, level, found.kernels))
        levels[level] = Level(
            instructions={**old.instructions, **costs},
            pieces={**old.pieces, **_pieces(found.kernels, found.sizes, costs)},
            harnesses={port: _shares_with(old, port, harness) for port, harness in harnesses.items()},
        )
    return CostTable(core=before.core, compiler=before.compiler, levels=levels)


def _shares_with(old: Level, port: str, harness: Harness) -> Harness:
    """``harness``, which shares pieces with kernels that were not looked at, too."""
    shared = {*harness.pieces, *old.harnesses[port].pieces}
    return msgspec.structs.replace(harness, pieces=tuple(sorted(shared)))


@dataclass(frozen=True)
class Way:
    """How layers run: with the kernels for ``features``, and means a row at a time if ``accumulates``."""

    features: frozenset[str]
    accumulates: bool

    def lowered(self, graph: Graph, calls: KnownCalls) -> Program:
        """The program of ``graph``, of which ``calls`` are known already."""
        return lower(graph, self.features, accumulate=self.accumulates, known_calls=calls)


@dataclass(frozen=True)
class Chosen:
    """A layer to be measured: an operator of a graph and its kernel. ``size_bytes`` are those of its
    constants or of its activations, whichever are more.
    """

    graph: Graph
    op: Op
    call: KernelCall | None
    size_bytes: int


def calibration_programs(core: str, enough: int, kinds: Sequence[str], seed: int = 0) -> list[Program]:
    """Programs with layers of those kinds; of each kind ``enough`` for each kernel that runs such."""
    count = len(kinds)
    ways: dict[Way, list[Chosen]] = {}
    with ProcessPoolExecutor() as pool:
        for found in pool.map(choose_layers, kinds, [core] * count, [seed] * count, [enough] * count):
            for way, layers in found.items():
                ways.setdefault(way, []).extend(layers)
    return [program for way, layers in ways.items() for program in _programs(way, layers)]


def choose_layers(name: str, core: str, seed: int, enough: int) -> dict[Way, list[Chosen]]:
    """Those of a kind."""
    graph = family(name, seed)
    counts = Counter[str]()
    ways: dict[Way, list[Chosen]] = {}
    for features in _feature_sets(core):
        way, calls = Way(features, name != WHOLE_MEANS), KnownCalls()
        program = way.lowered(graph, calls)
        chosen = ways.setdefault(way, [])
        for op in graph.ops:
            own = [layer.call for layer in program.layers if layer.op is op and layer.call is not None]
            kernels = {call.cost_name for call in own}
            if min(counts[kernel] for kernel in kernels) < enough:
                counts.update(kernels)
                constants = sum(constant.size_bytes for call in own for constant in call.constants())
                activations = sum(graph.tensors[index].size_bytes for index in (op.inputs[0], op.output))
                size_bytes = max(constants, activations)
                chosen.append(Chosen(graph, op, calls.get((op.index, False)), size_bytes))
    return ways


def _feature_sets(core: str) -> list[frozenset[str]]:
    """So that each kernel of the core runs many layers, also one to which others leave few."""
    features = frozenset[str]({*CORES[core].features, TABLES})
    sets = (features, features - {"mve"}, features - {"dotprod"}, frozenset[str]())
    return sorted(set(sets), key=lambda features: (-len(features), sorted(features)))


def _programs(way: Way, layers: Sequence[Chosen]) -> Iterator[Program]:
    """``layers`` so many at a time that they fit the emulated boards."""
    part: list[Chosen] = []
    for layer in layers:
        if len(part) == _MOST_LAYERS or sum(chosen.size_bytes for chosen in [*part, layer]) > _MOST_BYTES:
            yield _program(way, part)
            part = []
        part.append(layer)
    if part:
        yield _program(way, part)


def _program(way: Way, layers: Sequence[Chosen]) -> Program:
    calls: KnownCalls = {
        (index, False): layer.call for index, layer in enumerate(layers) if layer.call is not None
    }
    return way.lowered(gathered([(layer.graph, layer.op) for layer in layers]), calls)


@dataclass(frozen=True)
class Measured:
    """What layers took; the pieces of the kernels that ran them, and bytes of all symbols of the images."""

    measurements: Sequence[Measurement]
    kernels: Mapping[str, ObjectPiece]
    sizes: Mapping[str, int]


def measure(programs: Sequence[Program], board: Board, toolchain: ToolchainName, level: str) -> Measured:
    """All of ``programs``, as many at a time as this computer has processors."""
    measurements: list[Measurement] = []
    kernels: dict[str, ObjectPiece] = {}
    sizes: dict[str, int] = {}
    with ProcessPoolExecutor() as pool:
        count = len(programs)
        for found in pool.map(measure_one, programs, [board] * count, [toolchain] * count, [level] * count):
            measurements += found.measurements
            kernels |= found.kernels
            sizes |= found.sizes
    return Measured(measurements, kernels, sizes)


def measure_one(program: Program, board: Board, toolchain: ToolchainName, level: str) -> Measured:
    """The layers of ``program``, each on its own. Of processes only instructions are counted."""
    plan = roomy_plan(program)
    if is_linux(board):
        return Measured(list(measurements_of(program, count_process(program, plan, board, level))), {}, {})
    with tempfile.TemporaryDirectory() as folder:
        image = compile_image(program, plan, board, toolchain, level, Path(folder))
        return Measured(
            list(measurements_of(program, count_image(image, board))),
            image.kernels,
            symbol_bytes(image.result.image),
        )


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
            yield engine.target, measure_harness(image, {**kernels, **image.kernels})


def main() -> None:
    """Calibrates what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", default=",".join(EMULATED))
    parser.add_argument("--toolchains", default="zig,gcc")
    parser.add_argument("--layers", type=int, default=_ENOUGH, help="of each kind for each kernel")
    parser.add_argument("--only", help=f"calibrate layers of these kinds anew: {', '.join(FAMILIES)}")
    options = parser.parse_args()
    for core in options.cores.split(","):
        for toolchain in options.toolchains.split(","):
            if toolchain not in load_board(EMULATED[core]).engines["aot"].toolchains:
                continue
            if options.only is None:
                table = calibrate(core, toolchain, options.layers)
            else:
                before = cost_table(core, toolchain)
                if before is None:
                    parser.error(f"{core} was not measured with {toolchain} before: leave --only out")
                table = calibrate_kinds(before, toolchain, options.layers, options.only.split(","))
            path = table_path(core, toolchain)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")


if __name__ == "__main__":
    main()
