"""Projects that the tests of ports, toolchains and emulators build: a probe program and a tiny network."""

import shutil
import struct
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgekit.boards import Board, load_board
from edgekit.device.transport import Transport
from edgekit.engines import engine_files
from edgekit.firmware_project import Project, Recipe
from edgekit.graph.ir import FullyConnected, Graph, Requantization, Tensor
from edgekit.projects.assembler import assemble
from edgekit.projects.baremetal import LINKER_SCRIPT, startup_folder
from edgekit.projects.board_files import board_header, memory_script
from edgekit.projects.firmware_files import port_sources, with_headers
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.flags import DEFAULT_OPTIMIZE, Optimize
from edgekit.toolchains.zig import find_zig

PROBE = Path(__file__).with_name("probe.c")
TINY_MODEL = b"stands in for a .tflite file"
TOOLCHAINS = ("zig", "gcc")
ANSWER_TIMEOUT_S = 20.0


def require_toolchain(name: str, board: Board) -> None:
    """Skips the test where the toolchain is not installed."""
    if name == "zig" and find_zig() is None:
        pytest.skip("zig is not installed")
    command = CORES[board.mcu.core].gcc or "cc"
    if name == "gcc" and shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")


def require_program(name: str) -> None:
    """Skips the test where the program is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


def probe_project(board: Board) -> Project:
    """The probe program for a bare-metal board."""
    target = board.engines[board.default_engine].target
    startup = startup_folder(board)
    ports = (*port_sources("freestanding"), *port_sources(startup), *port_sources(target))
    folders = ("freestanding", "freestanding/libc", startup, target)
    includes = ("include", "board", *(f"port/{folder}" for folder in folders))
    own = {
        "probe.c": PROBE.read_bytes(),
        "board/ek_board.h": board_header(board),
        "board/memory.ld": memory_script(board),
    }
    files = {**with_headers([*ports, LINKER_SCRIPT], includes, own), **own}
    return Project("probe", files, Recipe(("probe.c", *ports), includes, (), LINKER_SCRIPT))


def tiny_graph(inputs: int = 4) -> Graph:
    """One fully connected layer, ``inputs`` to 3, with weights from 0 up."""
    tensors = {
        0: Tensor(0, "input", (1, inputs), 0.5, 0),
        1: Tensor(1, "output", (1, 3), 0.25, -3),
    }
    layer = FullyConnected(
        index=0,
        inputs=(0,),
        output=1,
        filter=(np.arange(3 * inputs) % 128).astype(np.int8).reshape(3, inputs),
        bias=np.array([80, -160, 240], dtype=np.int32),
        input_zero_point=0,
        filter_zero_point=0,
        output_zero_point=-3,
        requantization=Requantization(np.array([1 << 30], np.int32), np.array([-2], np.int32)),
        activation_min=-128,
        activation_max=127,
    )
    return Graph("tiny", "ab" * 32, tensors, (layer,), (0,), (1,))


def tiny_project(board: Board, graph: Graph | None = None, optimize: Optimize = DEFAULT_OPTIMIZE) -> Project:
    """The complete firmware of :func:`tiny_graph` for ``board``."""
    graph = graph or tiny_graph()
    return assemble(
        board, graph, TINY_MODEL, engine_files("aot", graph, TINY_MODEL, board, optimize=optimize), "aot"
    )


def board_with(name: str, *, flash_bytes: int | None = None, ram_bytes: int | None = None) -> Board:
    """A shipped board with other amounts of memory."""
    board = load_board(name)
    mcu = msgspec.structs.replace(
        board.mcu,
        flash_bytes=flash_bytes or board.mcu.flash_bytes,
        ram_bytes=ram_bytes or board.mcu.ram_bytes,
    )
    return msgspec.structs.replace(board, mcu=mcu)


class Probe:
    """Talks to the probe program."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._received = b""

    def command(self, letter: str, *numbers: int) -> None:
        self.transport.write(letter.encode() + struct.pack(f"<{len(numbers)}I", *numbers))

    def read(self, size_bytes: int) -> bytes:
        """Exactly ``size_bytes``; fails the test when they do not come."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while len(self._received) < size_bytes:
            assert time.monotonic() < deadline, f"only {self._received!r} came"
            self._received += self.transport.read(1.0)
        received, self._received = self._received[:size_bytes], self._received[size_bytes:]
        return received

    def number(self) -> int:
        return int.from_bytes(self.read(4), "little")

    def echo(self, data: bytes) -> bytes:
        self.command("E", len(data))
        self.transport.write(data)
        return self.read(len(data))

    def ticks(self, iterations: int) -> int:
        """Ticks of a loop of two instructions an iteration, and of reading the counter."""
        self.command("T", iterations)
        return int.from_bytes(self.read(8), "little")
