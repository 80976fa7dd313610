"""Projects without an operating system: start-up code, linker script, the port of one board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.firmware_project import Project, Recipe
from edgekit.projects import board_files, documents
from edgekit.projects.firmware_files import link_sources, port_sources, with_headers

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

LINKER_SCRIPT = "port/cortex_m/sections.ld"


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    generated: Mapping[str, str],
    kernel_sources: Sequence[str],
    engine: EngineName = "aot",
) -> Project:
    """The complete project of ``graph`` for ``board``.

    ``model`` is the .tflite that the graph was read from; ``generated`` maps names such as ``model.c``
    to texts; ``kernel_sources`` are paths relative to ``firmware/``.
    """
    target = board.engines[engine].target
    model_files = documents.model_files(model, generated)
    port = (*port_sources("cortex_m"), *port_sources(target))
    recipe = Recipe(
        sources=(*documents.c_sources(model_files), *kernel_sources, *link_sources(), *port),
        include_folders=(
            "include",
            "model",
            "board",
            "port/cortex_m",
            "port/cortex_m/libc",
            f"port/{target}",
        ),
        linker_script=LINKER_SCRIPT,
    )
    firmware = [source for source in recipe.sources if source not in model_files]
    files = {
        **model_files,
        **with_headers([*firmware, LINKER_SCRIPT], recipe.include_folders, model_files),
        f"board/{board.name}.toml": board_files.board_toml(board),
        "board/ek_board.h": board_files.board_header(board),
        "board/memory.ld": board_files.memory_script(board),
    }
    return documents.with_documents(
        Project(f"{graph.name}-{board.name}", files, recipe), board, graph, engine
    )
