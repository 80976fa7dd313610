"""Networks of random layers, which no cost was found from: RAM, flash and instructions as predicted."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
from probe_firmware import require_program, require_toolchain

from edgekit.boards import load_board
from edgekit.costs.prediction import predict
from edgekit.costs.tables import cost_table
from edgekit.engines import aot_program
from edgekit.toolchains.cores import CORES

ROOT = Path(__file__).resolve().parent.parent.parent
FLASH_TOLERANCE = 0.02
INSTRUCTIONS_TOLERANCE = 0.10
SEEDS = (5000, 5002)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def prediction_of(board, toolchain, optimize, seed):
    """Program, plan and prediction of a network."""
    graph = importlib.import_module("calibration_layers").random_network(seed)
    program, plan = aot_program(graph, CORES[board.mcu.core].features, optimize)
    table = cost_table(board.mcu.core, toolchain)
    if table is None:
        pytest.skip(f"{board.mcu.core} was not measured with {toolchain}")
    return program, plan, predict(program, plan, table, optimize, board.engines["aot"].target)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("optimize", ["ram", "speed"])
@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize(
    "name", ["virt-cortex-m0", "mps2-an385", "virt-cortex-m4", "mps3-an547", "virt-rv32"]
)
def test_images(tmp_path, name, toolchain, optimize, seed):
    board = load_board(name)
    require_toolchain(toolchain, board)
    if board.emulator.kind == "qemu-system" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    program, plan, predicted = prediction_of(board, toolchain, optimize, seed)
    calibrate = importlib.import_module("calibrate")
    level = "speed" if optimize == "speed" else "size"
    image = calibrate.compile_image(program, plan, board, toolchain, level, tmp_path)
    assert predicted.static_bytes == image.result.data_bytes + image.result.bss_bytes
    assert predicted.flash_bytes == pytest.approx(image.result.flash_bytes, rel=FLASH_TOLERANCE)
    counted = calibrate.count_image(image, board).total
    assert predicted.instructions == pytest.approx(counted, rel=INSTRUCTIONS_TOLERANCE)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["rpi4", "rpi5", "rpi3-32bit", "rpizero"])
def test_processes(name, seed):
    board = load_board(name)
    require_toolchain("zig", board)
    require_program("cc")
    require_program(board.emulator.machine)
    program, plan, predicted = prediction_of(board, "zig", "speed", seed)
    counted = importlib.import_module("calibrate").count_process(program, plan, board, "speed").total
    assert predicted.instructions == pytest.approx(counted, rel=INSTRUCTIONS_TOLERANCE)
