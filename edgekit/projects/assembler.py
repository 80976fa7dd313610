"""Assembles the project of a board: one assembler a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName, FrameworkName
from edgekit.firmware_project import EngineFiles, Project
from edgekit.projects import arduino, baremetal, esp_idf, linux, pico_sdk, python, zephyr
from edgekit.projects.application import application_headers

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

_Assembler = Callable[["Board", "Graph", bytes, EngineFiles, EngineName], Project]
_ASSEMBLERS: Mapping[FrameworkName, _Assembler] = {
    "baremetal": baremetal.assemble,
    "linux": linux.assemble,
    "python": python.assemble,
    "esp_idf": esp_idf.assemble,
    "arduino": arduino.assemble,
    "pico_sdk": pico_sdk.assemble,
    "zephyr": zephyr.assemble,
}


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName | None = None,
    class_names: Sequence[str] = (),
) -> Project:
    """The complete project of ``graph`` for ``board`` with ``engine`` (None: the board's default).

    ``model`` is the .tflite that the graph was read from; ``files`` is what the engine made of it.
    ``class_names`` are those of its output, where they are known. The same arguments give the same
    project, byte for byte.
    """
    chosen = engine or board.default_engine
    framework = board.engines[chosen].framework
    headers = application_headers(graph, class_names)
    complete = replace(files, generate=lambda: {**files.generate(), **headers})
    return _ASSEMBLERS[framework](board, graph, model, complete, chosen)
