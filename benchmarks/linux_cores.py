"""Instruction counts of models on the cores of Linux boards, layer by layer, exact.

    python benchmarks/linux_cores.py [--models FOLDER] [--boards NAME,…] [--optimize speed,…] [--layers]

Programs of the engine aot run under QEMU's user mode with a plugin that counts (count_at_calls.c): one
inference is what lies between two system calls. The outputs of a few noise inputs are compared with the
golden's. Needs cc (for the plugin), zig and qemu-user.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.boards import Board, load_board
from edgekit.codegen.c_model import generate_model, program_sources
from edgekit.codegen.layers import Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.engines import aot_program
from edgekit.golden import open_golden
from edgekit.graph.cost import graph_macs, op_macs
from edgekit.graph.tflite import read_tflite
from edgekit.resources import firmware_folder
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.flags import TIMED_SOURCES, Optimize, compile_flags, link_flags, source_level
from edgekit.toolchains.zig import zig_toolchain
from edgekit.verification.vectors import noise_vectors

HERE = Path(__file__).resolve().parent
_SHARED = Path(os.environ.get("EDGEKIT_SHARED", HERE.parent.parent / "shared"))
_MARK = 0x10000
_VECTORS = 4
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Count:
    """Instructions of one inference, and of each operator with what is added for telling them apart."""

    total: int
    layers: dict[int, int]


def compile_program(
    program: Program, plan: MemoryPlan, board: Board, optimize: Optimize, folder: Path
) -> Path:
    """One inference of ``program`` as it lies in ``plan``, for ``board``."""
    core = CORES[board.mcu.core]
    for name, text in generate_model(program, plan).items():
        (folder / name).write_text(text)
    firmware = firmware_folder()
    generated = [folder / "model.c", folder / "model_weights.c", HERE / "one_inference.c"]
    sources = [*generated, *(firmware / source for source in program_sources(program))]
    compiler = zig_toolchain(core).command
    target = folder / "one_inference"
    flags = compile_flags("zig", core, source_level(TIMED_SOURCES[0], optimize), freestanding=False)
    includes = (f"-I{firmware / 'include'}", f"-I{folder}")
    objects = []
    for source in sources:
        objects.append(folder / f"{source.parent.name}_{source.stem}.o")
        _run([*compiler, *flags, *includes, "-c", str(source), "-o", str(objects[-1])])
    linking = link_flags("zig", core, optimize, None)
    _run([*compiler, *linking, *map(str, objects), "-o", str(target)])
    return target


def compile_plugin(folder: Path) -> Path:
    """The plugin that counts."""
    plugin = folder / "count_at_calls.so"
    source = str(HERE / "count_at_calls.c")
    _run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", str(plugin)])
    return plugin


def infer(board: Board, program: Path, plugin: Path, data: bytes, output_bytes: int) -> tuple[bytes, Count]:
    """Output and instructions of the inference of ``data``."""
    if board.emulator is None:
        raise SystemExit(f"{board.name} has no emulator")
    log = program.with_suffix(".log")
    cpu = CORES[board.mcu.core].qemu_cpu or "max"
    qemu = [board.emulator.machine, "-cpu", cpu, "-plugin", str(plugin), "-d", "plugin", "-D", str(log)]
    output = _run([*qemu, str(program), str(output_bytes)], data)
    return output, _count(_marks(log.read_text()))


def _marks(log: str) -> Iterator[tuple[int, int]]:
    """Marks and the instructions executed until then."""
    for line in log.splitlines():
        _, first, executed = map(int, line.split())
        if first >= _MARK and first < 2 * _MARK:
            yield first - _MARK, executed


def _count(marks: Iterator[tuple[int, int]]) -> Count:
    (_, begin), (_, end), (_, before), *rows = marks
    layers: dict[int, int] = {}
    for mark, executed in rows:
        layers[mark - 1] = layers.get(mark - 1, 0) + executed - before
        before = executed
    return Count(end - begin, layers)


def measure(model: Path, board: Board, optimize: Optimize, plugin: Path, layers: bool) -> str:
    """A row of the table, and one a layer."""
    data = model.read_bytes()
    graph = read_tflite(data, model.stem)
    golden = open_golden(data, graph)
    vectors = noise_vectors(graph, _VECTORS, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        lowered = aot_program(graph, CORES[board.mcu.core].features, optimize)
        program = compile_program(*lowered, board, optimize, Path(folder))
        exact = True
        for index in range(_VECTORS):
            inputs = vectors.one(index)
            expected = golden.run(inputs)[0].tobytes()
            output, count = infer(board, program, plugin, np.asarray(inputs[0]).tobytes(), len(expected))
            exact = exact and output == expected
    macs = graph_macs(graph)
    rows = [
        f"| {model.stem} | {board.mcu.core} | {optimize} | {count.total:,} | {count.total / macs:.3f} "
        f"| {'yes' if exact else 'NO'} |"
    ]
    if layers:
        for op in graph.ops:
            executed, products = count.layers.get(op.index), op_macs(graph, op)
            if executed is not None:
                ratio = f"{executed / products:.3f}" if products else ""
                shape = "x".join(map(str, graph.tensors[op.output].shape))
                rows.append(f"|   {op.index} {op.opcode} {shape} | | | {executed:,} | {ratio} | |")
    return "\n".join(rows)


def _run(command: list[str], data: bytes = b"") -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def main() -> None:
    """Measures every model on every board named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=_SHARED / "models" / "mlperf_tiny")
    parser.add_argument("--boards", default="rpi4,rpi5,rpi3-32bit")
    parser.add_argument("--optimize", default="speed,ram")
    parser.add_argument("--layers", action="store_true", help="a line a layer")
    options = parser.parse_args()
    models = sorted(options.models.glob("*.tflite"))
    if not models:
        parser.error(f"there is no .tflite in {options.models}; name a folder with --models")
    print("| model | core | build | instructions | per MAC | exact |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        plugin = compile_plugin(Path(folder))
        for model in models:
            for board in options.boards.split(","):
                for optimize in options.optimize.split(","):
                    print(measure(model, load_board(board), optimize, plugin, options.layers), flush=True)


if __name__ == "__main__":
    main()
