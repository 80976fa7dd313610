"""Builds a generated project with a vendor's SDK."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

from edgekit.boards import Board, EngineName
from edgekit.errors import DoesNotFitError, ToolchainError, UsageError
from edgekit.files import write_atomically
from edgekit.firmware_project import Project
from edgekit.toolchains import elf
from edgekit.toolchains.build import BUILD_FOLDER, BuildResult
from edgekit.toolchains.sdk import SDK_BUILD_FOLDER, SDKS, Command, Installation, Sdk, Target
from edgekit.toolchains.uf2 import FAMILIES, uf2_image

# The first build of an SDK compiles it, and may fetch components.
_BUILD_TIMEOUT_S = 3600.0
_SHOWN_LOG_LINES = 30
_OVERFLOW = re.compile(r"region [`']([\w.]+)':? overflowed by (\d+) bytes")
# Linkers name their regions after what they are: dram0_0_seg, RAM, data (AVR) against drom0_0_seg, FLASH.
_RAM_REGION = re.compile(r"ram|data", re.IGNORECASE)


def compile_with_sdk(
    installation: Installation, project: Project, folder: Path, board: Board, engine: EngineName
) -> BuildResult:
    """Builds ``project``, as ``write_project`` wrote it to ``folder``, with its SDK.

    Raises ToolchainError where the SDK's tools fail, DoesNotFitError where the linker runs out of flash or
    RAM, UsageError where ``folder/build`` is a link or cannot be written.
    """
    sdk = SDKS[installation.sdk]
    target = Target(project, folder.absolute(), board, board.engines[engine].target)
    _make_folder(target)
    log = target.folder / BUILD_FOLDER / "build.log"
    ready = sdk.prepare(installation)
    said: list[str] = []
    try:
        for command in sdk.commands(ready, target):
            _run(command, ready, target, said)
    finally:
        write_atomically(log, "".join(said))
    return _result(sdk, ready, target, log)


def _make_folder(target: Target) -> None:
    build = target.folder / BUILD_FOLDER
    try:
        for path in (build, target.build_folder):
            if path.is_symlink():
                raise UsageError(f"{path} is a link; remove it, so that edgekit makes a folder.")
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {build}: {error.strerror} ({error.filename}).") from error


def _run(command: Command, installation: Installation, target: Target, said: list[str]) -> None:
    """Runs one command in the project's folder and appends what it says to ``said``."""
    program = Path(command[0]).name
    try:
        completed = subprocess.run(
            command,
            cwd=target.folder,
            env={**os.environ, **installation.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{command[0]} could not be run in {target.folder}: {error}.") from error
    said.append(f"$ {' '.join((program, *command[1:]))}\n{completed.stdout}")
    if completed.returncode == 0:
        return
    _refuse_overflow(completed.stdout, target.board)
    lines = completed.stdout.strip().splitlines()[-_SHOWN_LOG_LINES:]
    raise ToolchainError(
        f"{program} could not build the project in {target.folder} (exit code {completed.returncode}; all of "
        f"it is in {BUILD_FOLDER}/build.log). It ended with:\n" + "\n".join(lines or ["(nothing)"])
    )


def _refuse_overflow(output: str, board: Board) -> None:
    """Raises DoesNotFitError where the linker says that a memory of the board is too small."""
    for region, excess in _OVERFLOW.findall(output):
        in_ram = _RAM_REGION.search(region) is not None
        available = board.mcu.ram_bytes if in_ram else board.mcu.flash_bytes or 0
        raise DoesNotFitError(
            board.name,
            "RAM" if in_ram else "flash",
            available + int(excess),
            available,
            f"The linker's region {region} is {int(excess):,} bytes too small. Choose a smaller model or a "
            "board with more memory.",
        )


def _result(sdk: Sdk, installation: Installation, target: Target, log: Path) -> BuildResult:
    images = sdk.images(target)
    image = _existing(target, images.elf)
    if image is None:
        raise ToolchainError(
            f"{sdk.title} said that it built the project in {target.folder}, but there is no "
            f"{SDK_BUILD_FOLDER}/{images.elf}. See {BUILD_FOLDER}/build.log."
        )
    sizes = elf.read_sizes(image)
    if sdk.framework == "arduino" and target.board.memory is not None:
        sizes = replace(sizes, stack_bytes=target.board.memory.stack_bytes)
        _refuse_small_stack(sizes, target.board)
    listing = target.folder / BUILD_FOLDER / "sizes.txt"
    write_atomically(listing, elf.size_listing(image, sizes))
    return BuildResult(
        image=image,
        binary=_existing(target, images.binary),
        uf2=_existing(target, images.uf2) or _write_uf2(image, target.board),
        log=log,
        sizes=listing,
        toolchain=sdk.name,
        toolchain_version=installation.version,
        flash_bytes=sizes.flash_bytes,
        ram_bytes=sizes.ram_bytes,
        code_bytes=sizes.code_bytes,
        constant_bytes=sizes.constant_bytes,
        data_bytes=sizes.data_bytes,
        bss_bytes=sizes.bss_bytes,
        stack_bytes=sizes.stack_bytes,
        warnings="",
    )


def _refuse_small_stack(sizes: elf.ElfSizes, board: Board) -> None:
    """Raises DoesNotFitError where data leave less than the profile's stack, of which no linker knows."""
    if sizes.ram_bytes > board.mcu.ram_bytes:
        raise DoesNotFitError(
            board.name,
            "RAM",
            sizes.ram_bytes,
            board.mcu.ram_bytes,
            "The stack is part of it. Choose a smaller model or a board with more memory.",
        )


def _write_uf2(image: Path, board: Board) -> Path | None:
    """The UF2 file of a board that takes one, where the SDK made none."""
    family = FAMILIES.get(board.mcu.name)
    if board.flash.tool != "uf2" or family is None:
        return None
    path = image.with_suffix(".uf2")
    write_atomically(path, uf2_image(elf.flash_image(image), elf.read_segments(image)[0].address, family))
    return path


def _existing(target: Target, name: str | None) -> Path | None:
    path = target.build_folder / name if name is not None else None
    return path if path is not None and path.is_file() else None
