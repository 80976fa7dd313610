"""Projects in Python, for Linux boards: a folder that runs as it is, and as one file when packed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import edgekit.runner
from edgekit.boards import Board, EngineName
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import board_files, documents, sdk_sources

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

RUNNER_PACKAGE = "edgekit_runner"
"""What :mod:`edgekit.runner` is called in a bundle: it must not be taken for edgekit itself."""

_MAIN = b'''"""Runs the bundle: python3 FOLDER, or python3 firmware.pyz."""

import sys

from edgekit_runner.main import main

sys.exit(main())
'''
_DEPLOY = "deploy.sh"


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete bundle of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    Nothing in it is compiled: the recipe is empty.
    """
    generated = files.generate()
    values = {
        **sdk_sources.facts(board, graph, model, engine),
        "link_port": documents.LINK_PORT,
        "has_labels": "labels.txt" in generated,
    }
    names = ["README.md", "requirements.txt"]
    if board.flash.tool == "ssh":
        names += [_DEPLOY, "edgekit-link.service"]
    # Headers for programs in C are of no use here.
    useful = {name: text for name, text in generated.items() if not name.endswith((".c", ".h"))}
    contents = {
        **documents.model_files(model, useful),
        **{name: sdk_sources.render(f"python/{name}.j2", values) for name in names},
        **_runner_files(),
        "__main__.py": _MAIN,
        f"board/{board.name}.toml": board_files.board_toml(board),
    }
    return Project(
        name=f"{graph.name}-{board.name}",
        files=dict(sorted(contents.items())),
        recipe=Recipe(sources=(), include_folders=()),
        executables=frozenset({_DEPLOY} & contents.keys()),
    )


def _runner_files() -> dict[str, bytes]:
    folder = Path(edgekit.runner.__file__).parent
    return {f"{RUNNER_PACKAGE}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}
