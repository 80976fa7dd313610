"""Projects without an operating system: start-up code, linker script, the port of one board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.errors import UsageError
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import board_files, documents
from edgekit.projects.firmware_files import link_sources, port_sources, with_headers
from edgekit.toolchains.cores import CORES

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

LINKER_SCRIPT = "port/freestanding/sections.ld"


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
    model_files = documents.model_files(model, files.generated)
    port = (*port_sources("freestanding"), *port_sources(startup), *port_sources(target))
    recipe = Recipe(
        sources=(*documents.c_sources(model_files), *files.sources, *link_sources(), *port),
        include_folders=(
            "include",
            "model",
            "board",
            "port/freestanding",
            "port/freestanding/libc",
            f"port/{startup}",
            f"port/{target}",
        ),
        linker_script=LINKER_SCRIPT,
    )
    firmware = [source for source in recipe.sources if source not in model_files]
    contents = {
        **model_files,
        **with_headers([*firmware, LINKER_SCRIPT], recipe.include_folders, model_files),
        f"board/{board.name}.toml": board_files.board_toml(board),
        "board/ek_board.h": board_files.board_header(board),
        "board/memory.ld": board_files.memory_script(board),
    }
    return documents.with_documents(
        Project(f"{graph.name}-{board.name}", contents, recipe), board, graph, engine
    )


def startup_folder(board: Board) -> str:
    """The folder of ``firmware/port/`` with the start-up code of the board's core. Raises UsageError."""
    startup = CORES[board.mcu.core].startup
    if startup is None:
        raise UsageError(
            f"there is no start-up code for {board.mcu.core}, the core of {board.name}, which runs programs "
            "of an operating system: choose the framework 'linux'."
        )
    return startup
