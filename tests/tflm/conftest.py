"""A TFLite Micro, where there is one, and firmware made with it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tflm.networks import every_operator

from edgekit.boards import Board, load_board
from edgekit.engines import engine_files
from edgekit.firmware_project import Project
from edgekit.graph.ir import Graph
from edgekit.graph.tflite import read_tflite
from edgekit.projects.assembler import assemble
from edgekit.projects.project import write_project
from edgekit.toolchains.build import BuildResult, compile_project
from edgekit.toolchains.tflm import TflmLibrary, open_tflm

BOARD = "mps2-an386"


@pytest.fixture(scope="session")
def tflm_library() -> TflmLibrary:
    """The TFLite Micro for Cortex-M4F in the folder that $EDGEKIT_TFLM_ROOT names."""
    root = os.environ.get("EDGEKIT_TFLM_ROOT")
    if not root:
        pytest.skip("EDGEKIT_TFLM_ROOT names no TFLite Micro built for Cortex-M4F (docs/tflm.md)")
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    return open_tflm(Path(root))


@pytest.fixture(scope="session")
def qemu() -> None:
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")


@dataclass(frozen=True)
class Firmware:
    """A project and the image that was made of it."""

    board: Board
    graph: Graph
    model: bytes
    folder: Path
    project: Project
    result: BuildResult


def tflm_project(model: bytes, name: str, arena_bytes: int | None = None) -> tuple[Board, Graph, Project]:
    board, graph = load_board(BOARD), read_tflite(model, name)
    files = engine_files("tflm", graph, model, board, arena_bytes=arena_bytes)
    return board, graph, assemble(board, graph, model, files, "tflm")


@pytest.fixture(scope="session")
def make_firmware(
    tflm_library: TflmLibrary, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Firmware]:
    """Compiles the tflm project of a model; ``change`` may edit the files written to the folder first."""

    def make(
        model: bytes,
        name: str = "network",
        arena_bytes: int | None = None,
        change: Callable[[Path], None] = lambda folder: None,
    ) -> Firmware:
        board, graph, project = tflm_project(model, name, arena_bytes)
        folder = tmp_path_factory.mktemp(name)
        write_project(project, folder)
        change(folder)
        result = compile_project(project, folder, board, engine="tflm", tflm=tflm_library)
        return Firmware(board, graph, model, folder, project, result)

    return make


@pytest.fixture(scope="session")
def network() -> bytes:
    return every_operator()


@pytest.fixture(scope="session")
def network_firmware(make_firmware: Callable[..., Firmware], network: bytes) -> Firmware:
    """The network with every operator, in an arena of the estimate's size."""
    return make_firmware(network)
