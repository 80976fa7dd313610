"""Assembles the project of a board: one assembler a framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.firmware_project import Project
from edgekit.projects import baremetal, linux

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

_ASSEMBLERS = {"baremetal": baremetal.assemble, "linux": linux.assemble}


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    generated: Mapping[str, str],
    kernel_sources: Sequence[str],
    engine: EngineName | None = None,
) -> Project:
    """The complete project of ``graph`` for ``board`` with ``engine`` (None: the board's default).

    ``model`` is the .tflite that the graph was read from; ``generated`` maps names such as ``model.c``
    to texts; ``kernel_sources`` are paths relative to ``firmware/``. The same arguments give the same
    project, byte for byte.
    """
    chosen = engine or board.default_engine
    framework = board.engines[chosen].framework
    return _ASSEMBLERS[framework](board, graph, model, generated, kernel_sources, chosen)
