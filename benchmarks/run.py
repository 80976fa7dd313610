"""What models cost on boards, as `edgekit bench` measures it, the link's speed, and the demo's stage times.

    python benchmarks/run.py [--models FOLDER|FILE …] [--boards NAME,…] [--optimize ram,…] [--no-stages]

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
from pathlib import Path

from edgekit.benchmark import Cost
from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.device.device import Device
from edgekit.device.emulators import open_emulator
from edgekit.reporting import Reporter
from edgekit.stages.bench import bench
from edgekit.stages.build import build
from edgekit.stages.job import Job
from edgekit.stages.quantize import quantize
from edgekit.stages.train import train
from edgekit.stages.verify import verify as prove
from edgekit.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN_MARK = "<!-- written by benchmarks/run.py -->"
END_MARK = "<!-- end -->"
BOARDS = "mps2-an386,mps3-an547,virt-cortex-m0,virt-rv32"
_SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
_ECHO_BYTES = 64_000


def measure(model: Path, board: str, optimize: str, toolchain: str) -> tuple[Cost, int]:
    """The cost of ``model`` on ``board`` in a workspace of its own, and the link's bytes a second."""
    values = {
        "build.board": board,
        "build.engine": "aot",
        "build.optimize": optimize,
        "build.toolchain": toolchain,
        "model.file": str(model.resolve()),
    }
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Workspace(Path(folder)), override(Settings(), values), Reporter(json_output=True))
        cost = bench(job)
        with Device(open_emulator(load_board(board), build(job).image)) as device:
            return cost, _link_speed(device)


def _link_speed(device: Device) -> int:
    """Bytes a second through ECHO, both directions together."""
    chunk = bytes(range(256)) * (device.max_body_bytes // 256) or bytes(device.max_body_bytes)
    rounds = _ECHO_BYTES // len(chunk)
    started = time.monotonic()
    for _ in range(rounds):
        device.echo(chunk)
    return int(2 * rounds * len(chunk) / (time.monotonic() - started))


def table(rows: list[tuple[Cost, int]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| model | board | compiler | optimize | instructions | per MAC | code B | constants B | model B "
        "| arena B | static B | stack B | RAM B | exact | link B/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {cost.model} | {cost.board} | {cost.toolchain.split()[0]} | {cost.optimize} | {cost.ticks:,} "
        f"| {'' if cost.ticks_per_mac is None else f'{cost.ticks_per_mac:.3f}'} | {cost.code_bytes:,} "
        f"| {cost.constant_bytes:,} | {cost.model_bytes:,} | {cost.arena_bytes:,} | {cost.static_bytes:,} "
        f"| {cost.stack_bytes:,} | {cost.ram_bytes:,} | {'yes' if cost.exact else 'NO'} | {speed:,} |"
        for cost, speed in rows
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


def write_page(rows: list[tuple[Cost, int]], stages: dict[str, float]) -> None:
    """Replaces the tables of docs/benchmarks.md, which stand between two marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN_MARK)
    _, after = rest.split(END_MARK)
    seconds = " ".join(f"{name} {value} s," for name, value in stages.items()).rstrip(",")
    tables = f"{BEGIN_MARK}\n{table(rows)}\nStages of the demo, one after the other: {seconds}.\n{END_MARK}"
    PAGE.write_text(before + tables + after, encoding="utf-8")


def _models(given: list[Path]) -> list[Path]:
    return [
        model
        for path in given or [_SHARED / "models" / "mlperf_tiny"]
        for model in (sorted(path.glob("*.tflite")) if path.is_dir() else [path])
    ]


def main() -> None:
    """Measures every model on every board named on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, nargs="*", default=[])
    parser.add_argument("--boards", default=BOARDS)
    parser.add_argument("--optimize", default="ram,speed,size")
    parser.add_argument("--toolchain", default="zig")
    parser.add_argument("--no-stages", action="store_true", help="do not time the demo's stages")
    options = parser.parse_args()
    models = _models(options.models)
    if not models:
        parser.error("there is no .tflite; name files or a folder with --models")
    rows = []
    for model in models:
        for board in options.boards.split(","):
            for optimize in options.optimize.split(","):
                rows.append(measure(model, board, optimize, options.toolchain))
                print(table(rows[-1:]).splitlines()[-1], flush=True)
    stages = {} if options.no_stages else stage_times()
    measured = [{**cost.to_json(), "link_bytes_per_second": speed} for cost, speed in rows]
    results = {"models": measured, "stage_seconds": stages}
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_page(rows, stages)


if __name__ == "__main__":
    main()
