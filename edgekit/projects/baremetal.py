"""Projects without an operating system: start-up code, linker script, the port of one board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.errors import UsageError
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import board_files, documents
from edgekit.projects.application import application_files, example_files
from edgekit.projects.firmware_files import link_sources, port_sources, with_headers
from edgekit.resources import firmware_folder
from edgekit.toolchains import uf2
from edgekit.toolchains.cores import CORES

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

LINKER_SCRIPT = "port/freestanding/sections.ld"
UF2_TOOL = "tools/uf2.py"
"""Where a project has the program that writes its UF2 file."""
CXX_LINKER_SCRIPT = "port/newlib/sections.ld"
"""Of images with C++ in them. It includes the other."""

_LIBC = "port/freestanding/libc"
_TFLM_LOG = "engine/tflm/ek_tflm_log.cc"


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``.

    ``model`` is the .tflite that the graph was read from; ``files`` is what ``engine`` made of it.
    """
    target, startup = board.engines[engine].target, startup_folder(board)
    needs_tflm = engine == "tflm"
    script = CXX_LINKER_SCRIPT if needs_tflm else linker_script(target)
    model_files = documents.model_files(model, files.generate())
    port = (*port_sources("freestanding"), *port_sources(startup), *port_sources(target))
    if needs_tflm:
        port = (_TFLM_LOG, *port_sources("newlib"), *port)
    recipe = Recipe(
        sources=(*documents.c_sources(model_files), *files.sources, *link_sources(), *port),
        include_folders=(
            "include",
            "model",
            "board",
            "port/freestanding",
            # GCC's C++ library needs the whole C library, which has headers of its own.
            *(() if needs_tflm else (_LIBC,)),
            f"port/{startup}",
            f"port/{target}",
        ),
        linker_script=script,
        uf2_family=uf2.FAMILIES.get(board.mcu.name) if board.flash.tool == "uf2" else None,
        needs_tflm=needs_tflm,
    )
    firmware = [source for source in recipe.sources if source not in model_files]
    contents = {
        **model_files,
        **with_headers(
            [*firmware, *sorted({script, LINKER_SCRIPT} if needs_tflm else {script})],
            recipe.include_folders,
            model_files,
        ),
        **application_files(),
        **example_files(graph, "baremetal"),
        **({UF2_TOOL: Path(uf2.__file__).read_bytes()} if recipe.uf2_family is not None else {}),
        f"board/{board.name}.toml": board_files.board_toml(board),
        "board/ek_board.h": board_files.board_header(board),
        "board/memory.ld": board_files.memory_script(board),
    }
    return documents.with_documents(
        Project(f"{graph.name}-{board.name}", contents, recipe), board, graph, engine
    )


def linker_script(target: str) -> str:
    """The sections of the image, relative to ``firmware/``: the port's own where its chip wants others."""
    own = f"port/{target}/sections.ld"
    return own if (firmware_folder() / own).is_file() else LINKER_SCRIPT


def startup_folder(board: Board) -> str:
    """The folder of ``firmware/port/`` with the start-up code of the board's core. Raises UsageError."""
    startup = CORES[board.mcu.core].startup
    if startup is None:
        raise UsageError(
            f"there is no start-up code for {board.mcu.core}, the core of {board.name}, which runs programs "
            "of an operating system: choose the framework 'linux'."
        )
    return startup
