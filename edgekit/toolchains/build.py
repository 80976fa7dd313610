"""Compiles a project that was written to a folder, reproducibly.

The compiler runs inside the project's folder with relative paths only, so the same files give the
same image, byte for byte, wherever and whenever they are compiled.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import Board, EngineName, ToolchainName
from edgekit.errors import DoesNotFitError, ToolchainError, UsageError
from edgekit.files import write_atomically
from edgekit.firmware_project import Project, Recipe
from edgekit.toolchains import elf
from edgekit.toolchains.cores import CORES, Core
from edgekit.toolchains.flags import (
    DEFAULT_OPTIMIZE,
    Optimize,
    compile_flags,
    image_name,
    library_flags,
    link_flags,
    source_level,
)
from edgekit.toolchains.gcc import gcc_toolchain
from edgekit.toolchains.harness import harness_sizes
from edgekit.toolchains.python_archive import ARCHIVE_NAME, PACKER, pack
from edgekit.toolchains.tflm import TflmLibrary, missing_tflm
from edgekit.toolchains.toolchain import Toolchain
from edgekit.toolchains.uf2 import uf2_image
from edgekit.toolchains.zig import zig_toolchain

BUILD_FOLDER = "build"
_OBJECT_FOLDER = f"{BUILD_FOLDER}/obj"
# Zig compiles its C library on the first link for a target, which takes a minute on a small machine.
_COMPILER_TIMEOUT_S = 900.0
_SHOWN_LOG_LINES = 30
# GNU ld: region `FLASH' overflowed by 1 bytes; lld: will not fit in region 'FLASH': overflowed by 1 bytes
_OVERFLOW = re.compile(r"region [`'](\w+)':? overflowed by (\d+) bytes")


@dataclass(frozen=True)
class BuildResult:
    """An image and what it needs. Paths are absolute if the project's folder was; sizes in bytes.

    ``binary`` is the raw flash image of a bare-metal build, else None, and ``uf2`` the same as a UF2 file
    for the chips that take one. ``flash_bytes`` counts code,
    constants and initial data, ``ram_bytes`` data, zeroed data and the reserved stack. Sizes are 0
    where the image is not ELF (a program for macOS). Of code and constants ``harness_code_bytes`` and
    ``harness_constant_bytes`` are the test harness (``edgekit.toolchains.harness``); None where nobody can
    tell. ``warnings`` is what the compiler said.
    """

    image: Path
    binary: Path | None
    uf2: Path | None
    log: Path
    sizes: Path
    toolchain: ToolchainName
    toolchain_version: str
    flash_bytes: int
    ram_bytes: int
    code_bytes: int
    constant_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int
    warnings: str
    harness_code_bytes: int | None = None
    harness_constant_bytes: int | None = None


def find_toolchain(
    board: Board, name: ToolchainName | None = None, engine: EngineName | None = None
) -> Toolchain:
    """The toolchain called ``name``, or the first installed of those that the board's engine lists.

    Raises ToolchainError that says how to get one where none is installed, UsageError where the engine is
    Python, which no toolchain compiles, and ``name`` asks for one.
    """
    if _is_python(board, engine):
        if name not in {None, PACKER.name}:
            raise UsageError(f"nothing is compiled for {board.name} with this engine: leave --toolchain out.")
        return PACKER
    wanted = (name,) if name is not None else board.engines[engine or board.default_engine].toolchains
    core = CORES[board.mcu.core]
    missing = []
    for candidate in wanted:
        try:
            return zig_toolchain(core) if candidate == "zig" else gcc_toolchain(core)
        except ToolchainError as error:
            missing.append(str(error))
    raise ToolchainError("\n".join(missing) or f"the profile of {board.name} lists no toolchain.")


def compile_project(
    project: Project,
    folder: Path,
    board: Board,
    toolchain: ToolchainName | None = None,
    *,
    optimize: Optimize = DEFAULT_OPTIMIZE,
    engine: EngineName | None = None,
    tflm: TflmLibrary | None = None,
) -> BuildResult:
    """Compiles ``project``, as ``write_project`` wrote it to ``folder``, into ``folder/build``.

    ``tflm`` is the TFLite Micro for a project that needs one; NotCompiledError is raised where it is missing.

    An earlier image stays as it is until the new one is complete; earlier objects are removed. Raises
    ToolchainError where no toolchain is installed or a source does not compile, DoesNotFitError where
    the linker runs out of flash or RAM, UsageError where ``folder/build`` is a link or cannot be written.
    """
    found = find_toolchain(board, toolchain, engine)
    if _is_python(board, engine):
        return _packed(project, folder)
    if project.recipe.needs_tflm and tflm is None:
        raise missing_tflm(folder)
    if project.recipe.needs_tflm and found.name != "gcc":
        raise UsageError(
            f"the engine tflm is compiled by gcc here, not by {found.name}: leave --toolchain out."
        )
    compilation = _Compilation(found, CORES[board.mcu.core], optimize, project.recipe, folder, [], tflm)
    log = folder / BUILD_FOLDER / "build.log"
    _prepare(log.parent, compilation.objects)
    try:
        objects = _compile_sources(compilation)
        image = _link(compilation, objects, board)
    finally:
        write_atomically(log, "".join(step.text for step in compilation.steps))
    return _result(compilation, image, log)


def _is_python(board: Board, engine: EngineName | None) -> bool:
    return board.engines[engine or board.default_engine].framework == "python"


def _packed(project: Project, folder: Path) -> BuildResult:
    """The archive of a Python project; its bytes count as constants where they are the model."""
    build_folder = folder / BUILD_FOLDER
    _prepare(build_folder, ())
    build_folder.mkdir(exist_ok=True)
    image, log, listing = build_folder / ARCHIVE_NAME, build_folder / "build.log", build_folder / "sizes.txt"
    pack(project, image)
    model_bytes = sum(len(data) for name, data in project.files.items() if name.startswith("model/"))
    size_bytes = image.stat().st_size
    write_atomically(log, f"packed {ARCHIVE_NAME}; nothing is compiled\n")
    write_atomically(listing, f"{size_bytes:>10} {ARCHIVE_NAME}\n{model_bytes:>10} of it model/\n")
    return BuildResult(
        image=image,
        binary=None,
        uf2=None,
        log=log,
        sizes=listing,
        toolchain=PACKER.name,
        toolchain_version=PACKER.version,
        flash_bytes=size_bytes,
        ram_bytes=0,
        code_bytes=size_bytes - model_bytes,
        constant_bytes=model_bytes,
        data_bytes=0,
        bss_bytes=0,
        stack_bytes=0,
        warnings="",
    )


@dataclass(frozen=True)
class _Step:
    command: tuple[str, ...]
    returncode: int
    output: str

    @property
    def text(self) -> str:
        program = Path(self.command[0]).name
        return f"$ {' '.join((program, *self.command[1:]))}\n{self.output}"


@dataclass(frozen=True)
class _Compilation:
    toolchain: Toolchain
    core: Core
    optimize: Optimize
    recipe: Recipe
    folder: Path
    steps: list[_Step]
    tflm: TflmLibrary | None

    @property
    def freestanding(self) -> bool:
        return self.recipe.linker_script is not None

    @property
    def objects(self) -> list[str]:
        """The object files, in the order of the sources."""
        return [f"{_OBJECT_FOLDER}/{source}.o" for source in self.recipe.sources]


def _prepare(build_folder: Path, objects: Sequence[str]) -> None:
    """Empty folders for what the compiler writes: a link there would have it write somewhere else."""
    try:
        if build_folder.is_symlink():
            raise UsageError(f"{build_folder} is a link; remove it, so that edgekit makes a folder.")
        made = build_folder.parent / _OBJECT_FOLDER
        if made.is_symlink():
            made.unlink()
        elif made.exists():
            shutil.rmtree(made)
        for path in objects:
            (build_folder.parent / path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {build_folder}: {error.strerror} ({error.filename}).") from error


def _compile_sources(compilation: _Compilation) -> list[str]:
    """Compiles every source, some at a time. Returns the object files in the order of the sources."""
    objects = compilation.objects
    commands = [
        _compile_command(compilation, source, path)
        for source, path in zip(compilation.recipe.sources, objects, strict=True)
    ]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        steps = list(pool.map(lambda command: _run(command, compilation.folder), commands))
    compilation.steps.extend(steps)
    failed = [step for step in steps if step.returncode != 0]
    if failed:
        raise ToolchainError(
            f"{compilation.toolchain.name} could not compile {len(failed)} of {len(steps)} sources in "
            f"{compilation.folder} (all of it is in {BUILD_FOLDER}/build.log):\n{_shortened(failed[0])}"
        )
    return objects


def _compile_command(compilation: _Compilation, source: str, path: str) -> tuple[str, ...]:
    toolchain, recipe = compilation.toolchain, compilation.recipe
    cxx = source.endswith(".cc")
    library = compilation.tflm if cxx else None
    return (
        *toolchain.command,
        *compile_flags(
            toolchain.name,
            compilation.core,
            source_level(source, compilation.optimize),
            freestanding=compilation.freestanding,
            cxx=cxx,
        ),
        *(f"-D{define}" for define in (*recipe.defines, *(library.defines if library else ()))),
        *(f"-I{include}" for include in recipe.include_folders),
        *(f"-isystem{include}" for include in (library.include_folders if library else ())),
        *("-c", source, "-o", path),
    )


def _link(compilation: _Compilation, objects: Sequence[str], board: Board) -> Path:
    toolchain, script = compilation.toolchain, compilation.recipe.linker_script
    tflm_archive = str(compilation.tflm.archive) if compilation.tflm is not None else None
    image = compilation.folder / BUILD_FOLDER / image_name(script)
    # Among the objects, where there is nothing yet that the linker could write through.
    unfinished = f"{_OBJECT_FOLDER}/{image.name}.unfinished"
    step = _run(
        (
            *toolchain.command,
            *link_flags(
                toolchain.name,
                compilation.core,
                compilation.optimize,
                script,
                cxx=compilation.recipe.needs_tflm,
            ),
            *objects,
            *library_flags(toolchain.name, script, tflm_archive),
            *("-o", unfinished),
        ),
        compilation.folder,
    )
    compilation.steps.append(step)
    if step.returncode != 0:
        _refuse_overflow(step.output, board)
        raise ToolchainError(
            f"{toolchain.name} could not link the image in {compilation.folder} "
            f"(all of it is in {BUILD_FOLDER}/build.log):\n{_shortened(step)}"
        )
    (compilation.folder / unfinished).replace(image)
    return image


def _refuse_overflow(output: str, board: Board) -> None:
    """Raises DoesNotFitError where the linker says which memory of the board is too small."""
    for region, available, name in (
        ("FLASH", board.mcu.flash_bytes or 0, "flash"),
        ("RAM", board.mcu.ram_bytes, "RAM"),
    ):
        excess = [int(size) for found, size in _OVERFLOW.findall(output) if found == region]
        if excess:
            raise DoesNotFitError(
                board.name,
                name,
                available + max(excess),
                available,
                "Choose a smaller model or a board with more memory.",
            )


def _run(command: tuple[str, ...], folder: Path) -> _Step:
    try:
        completed = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_COMPILER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{command[0]} could not be run in {folder}: {error}.") from error
    return _Step(command, completed.returncode, completed.stdout)


def _shortened(step: _Step) -> str:
    lines = step.output.strip().splitlines()
    shown = lines[:_SHOWN_LOG_LINES]
    if len(lines) > len(shown):
        shown.append(f"… and {len(lines) - len(shown)} more lines")
    return "\n".join(shown) or f"it ended with exit code {step.returncode} and said nothing"


def _write_uf2(recipe: Recipe, image: Path, content: bytes) -> Path | None:
    if recipe.uf2_family is None:
        return None
    path = image.with_suffix(".uf2")
    address = elf.read_segments(image)[0].address
    try:
        write_atomically(path, uf2_image(content, address, recipe.uf2_family))
    except ValueError as error:
        raise ToolchainError(f"{image}: {error}") from error
    return path


def _result(compilation: _Compilation, image: Path, log: Path) -> BuildResult:
    sizes = elf.read_sizes(image) if elf.is_elf(image) else elf.ElfSizes(0, 0, 0, 0, 0)
    flash_bytes = sizes.flash_bytes
    binary = uf2 = harness = None
    if compilation.freestanding:
        objects = [compilation.folder / path for path in compilation.objects]
        harness = harness_sizes(image, list(zip(compilation.recipe.sources, objects, strict=True)))
        binary = image.with_suffix(".bin")
        content = elf.flash_image(image)
        write_atomically(binary, content)
        flash_bytes = len(content)
        uf2 = _write_uf2(compilation.recipe, image, content)
    listing = image.with_name("sizes.txt")
    write_atomically(listing, elf.size_listing(image, sizes))
    return BuildResult(
        image=image,
        binary=binary,
        uf2=uf2,
        log=log,
        sizes=listing,
        toolchain=compilation.toolchain.name,
        toolchain_version=compilation.toolchain.version,
        flash_bytes=flash_bytes,
        ram_bytes=sizes.ram_bytes,
        code_bytes=sizes.code_bytes,
        constant_bytes=sizes.constant_bytes,
        data_bytes=sizes.data_bytes,
        bss_bytes=sizes.bss_bytes,
        stack_bytes=sizes.stack_bytes,
        warnings="".join(step.output for step in compilation.steps),
        harness_code_bytes=harness.code_bytes if harness is not None else None,
        harness_constant_bytes=harness.constant_bytes if harness is not None else None,
    )
