"""Instruction counts, sizes and link speed of the models in a folder, and the times of the demo's stages.

    python benchmarks/run.py [--models FOLDER] [--boards NAME,…] [--no-stages]

writes benchmarks/results.json and the tables of docs/benchmarks.md.

Instructions are counted by the emulator (the same build counts the same every time); times are of this
machine and are only good for comparing one run with itself.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.boards import load_board
from edgekit.config import Settings
from edgekit.device.device import Device
from edgekit.device.emulators import counts_instructions, instructions, open_emulator
from edgekit.engines import engine_files
from edgekit.golden import open_golden
from edgekit.graph.cost import graph_macs
from edgekit.graph.tflite import read_tflite
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.reporting import Reporter
from edgekit.stages.build import build
from edgekit.stages.job import Job
from edgekit.stages.quantize import quantize
from edgekit.stages.train import train
from edgekit.stages.verify import verify as prove
from edgekit.toolchains.build import compile_project
from edgekit.verification.vectors import noise_vectors
from edgekit.verification.verify import Expectation, compute_reference, verify
from edgekit.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN_MARK = "<!-- written by benchmarks/run.py -->"
END_MARK = "<!-- end -->"
_SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
_ECHO_BYTES = 64_000
_VECTORS = 8


@dataclass(frozen=True)
class Row:
    """One model on one board. ``code_bytes`` is the whole program's, ``stack_bytes`` the most used."""

    model: str
    board: str
    toolchain: str
    optimize: str
    macs: int
    instructions: int | None
    instructions_per_mac: float | None
    code_bytes: int
    model_constant_bytes: int
    arena_bytes: int
    ram_bytes: int
    stack_bytes: int
    exact: bool
    distinct_outputs: int
    inputs: int
    link_bytes_per_second: int
    compile_seconds: float
    verify_seconds: float


def measure(model: Path, board_name: str, optimize: str, folder: Path) -> Row:
    """Builds ``model`` for the board in ``folder``, verifies it on a few vectors and counts."""
    board = load_board(board_name)
    data = model.read_bytes()
    graph = read_tflite(data, model.stem)
    files = engine_files("aot", graph, data, board)
    project = assemble(board, graph, data, files, "aot")
    write_project(project, folder)
    started = time.monotonic()
    built = compile_project(project, folder, board, optimize="size" if optimize == "size" else "speed")
    compiled = time.monotonic()
    vectors = noise_vectors(graph, _VECTORS, seed=0)
    reference = compute_reference(graph, open_golden(data, graph), [], vectors)
    with Device(open_emulator(board, built.image)) as device:
        verdict = verify(device, graph, reference, Expectation(board.name, "emulated"))
        verified = time.monotonic()
        speed = _link_speed(device)
    counted = _count_instructions(board_name, built.image, vectors.one(0))
    macs = graph_macs(graph)
    return Row(
        model=model.stem,
        board=board.name,
        toolchain=f"{built.toolchain} {built.toolchain_version}",
        optimize=optimize,
        macs=macs,
        instructions=counted,
        instructions_per_mac=None if counted is None else round(counted / macs, 3),
        code_bytes=built.code_bytes,
        model_constant_bytes=files.constant_bytes,
        arena_bytes=files.arena_bytes,
        ram_bytes=built.ram_bytes,
        stack_bytes=verdict.stack_used_bytes,
        exact=verdict.exact,
        distinct_outputs=verdict.distinct_outputs,
        inputs=verdict.inputs,
        link_bytes_per_second=speed,
        compile_seconds=round(compiled - started, 2),
        verify_seconds=round(verified - compiled, 2),
    )


def _link_speed(device: Device) -> int:
    """Bytes a second through ECHO, both directions together."""
    chunk = bytes(range(256)) * (device.max_body_bytes // 256) or bytes(device.max_body_bytes)
    rounds = _ECHO_BYTES // len(chunk)
    started = time.monotonic()
    for _ in range(rounds):
        device.echo(chunk)
    return int(2 * rounds * len(chunk) / (time.monotonic() - started))


def _count_instructions(board_name: str, image: Path, inputs: tuple[object, ...]) -> int | None:
    board = load_board(board_name)
    if not counts_instructions(board):
        return None
    with Device(open_emulator(board, image, count_instructions=True)) as device:
        return instructions(board, device.run(inputs).ticks)  # type: ignore[arg-type]


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| model | board | build | instructions | per MAC | code B | constants B | arena B | stack B | exact "
        "| link B/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.model} | {row.board} | {row.optimize} | {_number(row.instructions)} "
        f"| {'' if row.instructions_per_mac is None else f'{row.instructions_per_mac:.2f}'} "
        f"| {row.code_bytes:,} | {row.model_constant_bytes:,} | {row.arena_bytes:,} | {row.stack_bytes:,} "
        f"| {'yes' if row.exact else 'NO'} | {row.link_bytes_per_second:,} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def stage_times() -> dict[str, float]:
    """Seconds that each stage of the demo takes in an empty workspace."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Workspace(Path(folder)), Settings(), Reporter(json_output=True))
        for name, stage in (("train", train), ("quantize", quantize), ("build", build), ("verify", prove)):
            started = time.monotonic()
            stage(job)  # Earlier stages are up to date by now.
            times[name] = round(time.monotonic() - started, 1)
    return times


def write_page(rows: list[Row], stages: dict[str, float]) -> None:
    """Replaces the tables of docs/benchmarks.md, which stand between two marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN_MARK)
    _, after = rest.split(END_MARK)
    seconds = " ".join(f"{name} {value} s," for name, value in stages.items()).rstrip(",")
    tables = f"{BEGIN_MARK}\n{table(rows)}\nStages of the demo, one after the other: {seconds}.\n{END_MARK}"
    PAGE.write_text(before + tables + after, encoding="utf-8")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def main() -> None:
    """Measures every model on every board named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=_SHARED / "models" / "mlperf_tiny")
    parser.add_argument("--boards", default="mps2-an386,virt-cortex-m4")
    parser.add_argument("--no-stages", action="store_true", help="do not time the demo's stages")
    options = parser.parse_args()
    models = sorted(options.models.glob("*.tflite"))
    if not models:
        parser.error(f"there is no .tflite in {options.models}; name a folder with --models")
    rows = []
    for model in models:
        for board in options.boards.split(","):
            for optimize in ("speed", "size"):
                with tempfile.TemporaryDirectory() as folder:
                    rows.append(measure(model, board, optimize, Path(folder)))
                print(table(rows[-1:]).splitlines()[-1], flush=True)
    stages = {} if options.no_stages else stage_times()
    results = {"models": [asdict(row) for row in rows], "stage_seconds": stages}
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_page(rows, stages)


if __name__ == "__main__":
    main()
