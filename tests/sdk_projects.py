"""Projects of SDKs for the tests: the tiny network for a board, and what CMake and compilers make of it."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from probe_firmware import TINY_MODEL, tiny_graph

from edgekit.boards import Board, board_names, load_board
from edgekit.engines import engine_files
from edgekit.firmware_project import Project
from edgekit.projects.assembler import assemble

COMPILE_TIMEOUT_S = 120
# The output of the tiny network for zeros: bias / 8 - 3.
TINY_OUTPUT = [7, -23, 27]


def cases(framework: str) -> list[tuple[str, str]]:
    """The boards, with the engines, whose projects are made for ``framework``."""
    return [
        (name, engine)
        for name in board_names()
        for engine, how in load_board(name).engines.items()
        if how.framework == framework
    ]


def make(board: Board, engine: str, arena_bytes: int = 1000, *, kernels_for: str | None = None) -> Project:
    """The tiny network as a project, as if it needed that arena.

    The model only stands for one, so tflm gets the files of aot. ``kernels_for``: with the kernels of
    another board, whose core this computer or an 8-bit processor can stand in for.
    """
    made_for = board if kernels_for is None else load_board(kernels_for)
    files = engine_files("aot", tiny_graph(), TINY_MODEL, made_for)
    if engine == "tflm":
        files = replace(files, sources=("engine/tflm/ek_tflm.cc",))
    files = replace(files, arena_bytes=arena_bytes)
    return assemble(board, tiny_graph(), TINY_MODEL, files, engine)


def text(project: Project, name: str) -> str:
    return project.files[name].decode()


def require_arm_compiler() -> None:
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")


def run(command: list[object], folder: Path, timeout_s: float = COMPILE_TIMEOUT_S, **environment: str) -> str:
    """Runs a program that must succeed; gives what it said."""
    completed = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout


def compile_commands(build: Path, project_folder: Path) -> dict[str, str]:
    """For each source of the project that CMake would compile, its command."""
    entries = json.loads((build / "compile_commands.json").read_text())
    root = project_folder.resolve()
    return {
        Path(entry["file"]).resolve().relative_to(root).as_posix(): entry["command"]
        for entry in entries
        if Path(entry["file"]).resolve().is_relative_to(root)
    }
