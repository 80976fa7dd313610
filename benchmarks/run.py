"""What models cost on boards, as `edgekit bench` measures it, the link's speed, and the demo's stage times.

    python benchmarks/run.py [--models FOLDER|FILE …] [--boards NAME,…] [--builds ram;speed;…] [--no-stages]

writes benchmarks/results.json and the tables of docs/benchmarks.md.

Instructions are counted by the emulator (the same build counts the same every time); times are of this
machine and are only good for comparing one run with itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.benchmark import Cost
from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.device.device import Device
from edgekit.device.emulators import open_emulator
from edgekit.errors import UsageError
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
BUILDS: Mapping[str, Mapping[str, object]] = {
    "ram": {"build.optimize": "ram"},
    "ram, streamed": {"build.optimize": "ram", "build.stream_input": True},
    "ram, all channels": {"build.optimize": "ram", "build.passes": False},
    "speed": {"build.optimize": "speed"},
    "size": {"build.optimize": "size"},
}
BASELINE: Mapping[tuple[str, str], tuple[int, int]] = {
    ("vww_96_int8", "mps2-an386"): (24_101_961, 100_708),
    ("vww_96_int8", "mps3-an547"): (6_558_337, 100_772),
    ("vww_96_int8", "virt-cortex-m0"): (86_903_280, 100_708),
    ("pretrainedResnet_quant", "mps2-an386"): (29_864_857, 54_996),
    ("pretrainedResnet_quant", "mps3-an547"): (4_912_716, 55_028),
    ("kws_ref_model", "mps2-an386"): (7_699_372, 22_820),
    ("kws_ref_model", "mps3-an547"): (1_815_255, 27_348),
    ("ad01_int8", "mps2-an386"): (582_945, 2_580),
    ("ad01_int8", "mps3-an547"): (149_996, 9_268),
}
"""TensorFlow Lite Micro 90b983c2 with CMSIS-NN 4ab83cc3, arm-none-eabi-gcc 12.2.1 and their default flags, on
the same emulated cores: instructions of an inference, bytes of the arena.
"""
_SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
_ECHO_BYTES = 64_000


@dataclass(frozen=True)
class Row:
    """A line of the table: a build of a model, what it costs, and the link's bytes a second."""

    build: str
    cost: Cost
    link_speed: int

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"build": self.build, **self.cost.to_json(), "link_bytes_per_second": self.link_speed}


def measure(model: Path, board: str, build_name: str, toolchain: str) -> Row:
    """``model`` on ``board`` in a workspace of its own. Raises UsageError where it has no such build."""
    values = {
        "build.board": board,
        "build.engine": "aot",
        "build.toolchain": toolchain,
        "model.file": str(model.resolve()),
        **BUILDS[build_name],
    }
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Workspace(Path(folder)), override(Settings(), values), Reporter(json_output=True))
        cost = bench(job)
        with Device(open_emulator(load_board(board), build(job).image)) as device:
            return Row(build_name, cost, _link_speed(device))


def _link_speed(device: Device) -> int:
    """Bytes a second through ECHO, both directions together."""
    chunk = bytes(range(256)) * (device.max_body_bytes // 256) or bytes(device.max_body_bytes)
    rounds = _ECHO_BYTES // len(chunk)
    started = time.monotonic()
    for _ in range(rounds):
        device.echo(chunk)
    return int(2 * rounds * len(chunk) / (time.monotonic() - started))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| model | board | build | instructions | per MAC | predicted | code B | constants B | harness B "
        "| model B | arena B | static B | stack B | RAM B | exact | link B/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(row: Row) -> str:
    cost = row.cost
    predicted = cost.predicted["instructions"] if cost.predicted is not None else None
    cells = (
        cost.model,
        cost.board,
        row.build,
        f"{cost.ticks:,}",
        "" if cost.ticks_per_mac is None else f"{cost.ticks_per_mac:.3f}",
        "" if predicted is None else f"{predicted / cost.ticks - 1:+.1%}",
        f"{cost.code_bytes:,}",
        f"{cost.constant_bytes:,}",
        f"{(cost.harness_code_bytes or 0) + (cost.harness_constant_bytes or 0):,}",
        f"{cost.model_bytes:,}",
        f"{cost.arena_bytes:,}",
        f"{cost.static_bytes:,}",
        f"{cost.stack_bytes:,}",
        f"{cost.ram_bytes:,}",
        "yes" if cost.exact else "NO",
        f"{row.link_speed:,}",
    )
    return f"| {' | '.join(cells)} |"


def comparison(rows: list[Row]) -> str:
    """The same models in TensorFlow Lite Micro, beside the builds that use the least."""
    lines = [
        "| model | board | TFLM + CMSIS-NN, instructions | edgekit | times fewer | all channels kept "
        "| TFLM arena B | edgekit arena B | streamed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (model, board), (instructions, arena_bytes) in BASELINE.items():
        costs = {row.build: row.cost for row in rows if (row.cost.model, row.cost.board) == (model, board)}
        if not {"ram", "speed"} <= costs.keys():
            continue
        fewest = min(cost.ticks for cost in costs.values())
        every, streamed = costs.get("ram, all channels"), costs.get("ram, streamed")
        cells = (
            model,
            board,
            f"{instructions:,}",
            f"{fewest:,}",
            f"{instructions / fewest:.1f}",
            "" if every is None else f"{every.ticks:,}",
            f"{arena_bytes:,}",
            f"{costs['ram'].arena_bytes:,}",
            "" if streamed is None else f"{streamed.arena_bytes:,}",
        )
        lines.append(f"| {' | '.join(cells)} |")
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
    times = f"Stages of the demo, one after the other: {seconds}.\n" if stages else ""
    tables = f"{BEGIN_MARK}\n{comparison(rows)}\n{table(rows)}\n{times}{END_MARK}"
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
    parser.add_argument("--builds", default=";".join(BUILDS), help="separated by semicolons")
    parser.add_argument("--toolchain", default="zig")
    parser.add_argument("--no-stages", action="store_true", help="do not time the demo's stages")
    options = parser.parse_args()
    models = _models(options.models)
    if not models:
        parser.error("there is no .tflite; name files or a folder with --models")
    rows = []
    for model in models:
        for board in options.boards.split(","):
            for build_name in options.builds.split(";"):
                try:
                    rows.append(measure(model, board, build_name, options.toolchain))
                except UsageError as error:  # not every model has an image to stream
                    print(f"{model.stem}, {build_name}: {error}", file=sys.stderr)
                else:
                    print(_line(rows[-1]), flush=True)
    stages = {} if options.no_stages else stage_times()
    measured = [row.to_json() for row in rows]
    results = {"models": measured, "stage_seconds": stages}
    (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_page(rows, stages)


if __name__ == "__main__":
    main()
