"""What is predicted is what an image takes: RAM to the byte, flash within 2 %, instructions within 10 %."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from emulators.small_network import small_mobilenet
from probe_firmware import require_program, require_toolchain

from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.costs.prediction import predict
from edgekit.costs.tables import cost_table
from edgekit.engines import aot_program
from edgekit.graph.tflite import read_tflite
from edgekit.reporting import Reporter
from edgekit.stages.bench import bench
from edgekit.stages.build import build
from edgekit.stages.job import Job
from edgekit.toolchains.cores import CORES
from edgekit.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent.parent
FLASH_TOLERANCE = 0.02
INSTRUCTIONS_TOLERANCE = 0.10

EMULATED = (
    "virt-cortex-m0", "mps2-an385", "virt-cortex-m4", "virt-cortex-m7", "virt-cortex-m33", "mps3-an547",
    "virt-rv32",
)  # fmt: skip
COMPILED = ("pico", "stm32f405", "nucleo_l4r5zi", "microbit_v2", "mps2-an500", "esp32c3", "qemu-rv32")


def job(folder: Path, model: Path, board: str, toolchain: str, optimize: str = "ram", **build: object) -> Job:
    profile = load_board(board)
    require_toolchain(toolchain, profile)
    if cost_table(profile.mcu.core, toolchain) is None:
        pytest.skip(f"{profile.mcu.core} was not measured with {toolchain}")
    values = {
        "build.board": board,
        "build.toolchain": toolchain,
        "build.optimize": optimize,
        "model.file": str(model),
        **{f"build.{name}": value for name, value in build.items()},
    }
    return Job(Workspace(folder), override(Settings(), values), Reporter(json_output=True))


def require_emulator(board: str) -> None:
    emulator = load_board(board).emulator
    if emulator is not None and emulator.kind == "qemu-system" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")


def check_sizes(predicted: Mapping[str, Any], ram_bytes: int, flash_bytes: int) -> None:
    assert predicted["measured"]
    assert predicted["ram_bytes"] == ram_bytes
    assert predicted["flash_bytes"] == pytest.approx(flash_bytes, rel=FLASH_TOLERANCE)


def check_all(folder: Path, model: Path, board: str, toolchain: str, optimize: str, **settings) -> None:
    require_emulator(board)
    cost = bench(job(folder, model, board, toolchain, optimize, **settings))
    assert cost.exact
    check_sizes(cost.predicted, cost.reserved_ram_bytes, cost.flash_bytes)
    assert cost.predicted["instructions"] == pytest.approx(cost.ticks, rel=INSTRUCTIONS_TOLERANCE)


@pytest.fixture(scope="session")
def small_network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.tflite"
    path.write_bytes(small_mobilenet(side=24))
    return path


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("board", EMULATED)
def test_a_small_network(tmp_path, small_network, board, toolchain):
    check_all(tmp_path, small_network, board, toolchain, "ram")


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["ram", "speed"])
@pytest.mark.parametrize("board", ["virt-cortex-m0", "virt-cortex-m4", "mps3-an547"])
def test_real_networks(tmp_path, mlperf_tiny_model, board, optimize):
    check_all(tmp_path, mlperf_tiny_model, board, "zig", optimize)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["virt-cortex-m0", "mps2-an385", "virt-rv32"])
def test_the_portable_kernels(tmp_path, mlperf_tiny_model, board):
    check_all(tmp_path, mlperf_tiny_model, board, "zig", "size")


def test_a_streamed_input(tmp_path, small_network):
    check_all(tmp_path, small_network, "virt-cortex-m4", "zig", "ram", stream_input=True)


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("board", COMPILED)
def test_boards_that_are_only_compiled_for(tmp_path, small_network, board, toolchain):
    firmware = build(job(tmp_path, small_network, board, toolchain, engine="aot"))
    report = firmware.report
    check_sizes(firmware.expected.to_json(), report["ram_bytes"], report["flash_bytes"])


@pytest.mark.slow
@pytest.mark.parametrize("board", ["rpi4", "rpi5", "rpi3-32bit", "rpizero"])
def test_instructions_of_linux_cores(tmp_path, small_network, board, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    profile = load_board(board)
    require_toolchain("zig", profile)
    require_program("cc")
    require_program(profile.emulator.machine)
    if cost_table(profile.mcu.core, "zig") is None:
        pytest.skip(f"{profile.mcu.core} was not measured with zig")
    linux_cores = importlib.import_module("linux_cores")
    graph = read_tflite(small_network.read_bytes(), "small")
    program, plan = aot_program(graph, CORES[profile.mcu.core].features, "speed")
    image = linux_cores.compile_program(program, plan, profile, "speed", tmp_path)
    picture = bytes(range(256)) * 6 + bytes(192)
    _, count = linux_cores.infer(
        profile, image, linux_cores.compile_plugin(tmp_path), picture, output_bytes=10
    )
    predicted = predict(program, plan, cost_table(profile.mcu.core, "zig"), "speed", "posix")
    assert predicted.instructions == pytest.approx(count.total, rel=INSTRUCTIONS_TOLERANCE)
    assert predicted.flash_bytes is None


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4f", "cortex-m55", "rv32imc", "cortex-m3"])
def test_cores_without_an_operating_system_were_measured(core):
    assert cost_table(core, "zig") is not None


def test_nothing_is_told_of_cores_that_were_not_measured():
    assert cost_table("xtensa-lx6", "gcc") is None
    assert cost_table("cortex-m4f", "armclang") is None


def test_cores_with_the_same_code_share_a_table():
    assert cost_table("cortex-m0plus", "zig") is cost_table("cortex-m0", "zig") is not None


def test_a_kernel_that_costs_twice_as_much_is_noticed(tmp_path, small_network, monkeypatch):
    """The tolerance is not so wide that anything passes."""
    table = cost_table("cortex-m4f", "zig")
    level = table.levels["size"]
    doubled = {
        name: {kind: (2 if "depthwise" in name else 1) * cost for kind, cost in costs.items()}
        for name, costs in level.instructions.items()
    }
    wrong = replace_record(table, levels={"size": replace_record(level, instructions=doubled)})
    monkeypatch.setattr("edgekit.costs.tables.cost_table", lambda *_: wrong)
    cost = bench(job(tmp_path, small_network, "virt-cortex-m4", "zig"))
    assert cost.predicted["instructions"] > (1 + INSTRUCTIONS_TOLERANCE) * cost.ticks


def replace_record(record, **changes):
    import msgspec

    return msgspec.structs.replace(record, **changes)
