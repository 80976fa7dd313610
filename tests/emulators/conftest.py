"""Images, built once for all tests here."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from probe_firmware import Probe, probe_project, require_toolchain

from edgekit.boards import load_board
from edgekit.device.emulators import open_emulator
from edgekit.projects.project import write_project
from edgekit.toolchains.build import compile_project


@pytest.fixture(scope="session")
def probe_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The probe program's ELF file for (board, toolchain)."""

    @cache
    def build(board_name: str, toolchain: str) -> Path:
        board = load_board(board_name)
        require_toolchain(toolchain, board)
        folder = tmp_path_factory.mktemp(f"{board_name}-{toolchain}")
        project = probe_project(board)
        write_project(project, folder)
        return compile_project(project, folder, board, toolchain).image

    return build


@pytest.fixture
def open_probe(probe_image) -> Iterator[Callable[..., Probe]]:
    """Starts the probe program on a board's emulator; ended with the test."""
    opened = []

    def start(board_name: str, toolchain: str, *, count_instructions: bool = False) -> Probe:
        image = probe_image(board_name, toolchain)
        transport = open_emulator(load_board(board_name), image, count_instructions=count_instructions)
        opened.append(closing(transport))
        return Probe(transport)

    yield start
    for transport in opened:
        transport.__exit__(None, None, None)
