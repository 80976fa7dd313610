"""A real network on each kind of emulated core, by the command that a user types."""

import json

import numpy as np
import pytest
from graph import tflite_builder
from probe_firmware import require_program, require_toolchain

from edgekit.boards import Board, load_board
from edgekit.device.device import Device
from edgekit.device.emulators import counts_instructions, emulator_program
from edgekit.device.emulators.rp2040js import find_rp2040js
from edgekit.device.emulators.virtual_board import UnicornTransport
from edgekit.errors import ToolchainError

BOARDS = [
    ("virt-cortex-m0", "zig"),
    ("virt-cortex-m33", "zig"),
    ("virt-rv32", "zig"),
    ("qemu-rv32", "zig"),
    ("mps2-an505", "zig"),
    ("mps3-an547", "zig"),
    ("mps2-an385", "zig"),
    ("mps2-an500", "zig"),
    ("virt-cortex-m7", "zig"),
    ("stm32f405", "zig"),
    ("pico", "zig"),
    ("virt-cortex-m0", "gcc"),
    ("qemu-rv32", "gcc"),
    ("mps3-an547", "gcc"),
    # Zig compiles its C library first: a minute, once for all 64-bit and once for all 32-bit boards.
    pytest.param("rpi3", "zig", marks=pytest.mark.slow),
    pytest.param("rpi4", "zig", marks=pytest.mark.slow),
    pytest.param("rpi5", "zig", marks=pytest.mark.slow),
    pytest.param("rpizero2w", "zig", marks=pytest.mark.slow),
    pytest.param("rpi3-32bit", "zig", marks=pytest.mark.slow),
    pytest.param("rpizero", "zig", marks=pytest.mark.slow),
]


def require_emulator(board: Board) -> None:
    if board.emulator.kind == "rp2040js":
        require_program("node")
        try:
            find_rp2040js(board.name)
        except ToolchainError as error:
            pytest.skip(str(error))
    elif board.emulator.kind != "unicorn":
        require_program(emulator_program(board))


@pytest.mark.proves("emulator")
@pytest.mark.parametrize(("board_name", "toolchain"), BOARDS)
def test_ds_cnn_is_bit_exact(edgekit, shared_folder, tmp_path, board_name, toolchain):
    board = load_board(board_name)
    require_toolchain(toolchain, board)
    require_emulator(board)
    model = shared_folder / "models" / "mlperf_tiny" / "kws_ref_model.tflite"
    options = ("--toolchain", toolchain, "--noise", 6, "--no-structured", "--json")
    outcome = edgekit("verify", "-w", tmp_path, "-m", model, "-b", board_name, *options)
    assert outcome.exit_code == 0, outcome.err
    verdict = json.loads(outcome.out)
    assert verdict["exact"]
    assert verdict["inputs"] == 6
    assert verdict["layer_check"]["operators"] >= 10
    assert (verdict["latency"] is not None) == counts_instructions(board)


@pytest.fixture
def strided_convolution(tmp_path):
    """Channels and filters of odd sizes, so that few rows begin at a multiple of 4."""
    filters = np.random.default_rng(0).integers(-127, 128, (5, 3, 3, 3), dtype=np.int8)
    path = tmp_path / "odd.tflite"
    path.write_bytes(tflite_builder.convolution("CONV_2D", (1, 7, 7, 3), filters, strides=(2, 2)))
    return path


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_no_access_is_unaligned_on_armv6m(edgekit, tmp_path, strided_convolution, toolchain):
    board = load_board("virt-cortex-m0")
    require_toolchain(toolchain, board)
    options = ("-b", board.name, "--toolchain", toolchain)
    outcome = edgekit("build", "-w", tmp_path, "-m", strided_convolution, *options)
    assert outcome.exit_code == 0, outcome.err
    image = tmp_path / "out" / board.name / "firmware.elf"
    outputs = []
    for check in (True, False):
        with Device(UnicornTransport(board, image, check_alignment=check)) as device:
            device.generate_inputs(1)
            device.invoke()
            outputs.append(device.read_outputs()[0])
    assert np.array_equal(*outputs)
    assert len(np.unique(outputs[0])) > 1
