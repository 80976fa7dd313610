"""Projects for Linux (and other POSIX systems): one program that serves the link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import board_files, documents
from edgekit.projects.application import application_files, example_files
from edgekit.projects.firmware_files import link_sources, port_sources, with_headers

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    The port brings a main() of its own, which reads the command line; it stands in for the link's.
    """
    target = board.engines[engine].target
    model_files = documents.model_files(model, files.generate())
    link = [source for source in link_sources() if source != "link/main.c"]
    recipe = Recipe(
        sources=(*documents.c_sources(model_files), *files.sources, *link, *port_sources(target)),
        include_folders=("include", "model", "board", f"port/{target}"),
        needs_tflm=engine == "tflm",
    )
    firmware = [source for source in recipe.sources if source not in model_files]
    contents = {
        **model_files,
        **with_headers(firmware, recipe.include_folders, model_files),
        **application_files(),
        **example_files(graph, "linux"),
        f"board/{board.name}.toml": board_files.board_toml(board),
        "board/ek_board.h": board_files.board_header(board),
    }
    return documents.with_documents(
        Project(f"{graph.name}-{board.name}", contents, recipe), board, graph, engine
    )
