"""What a project holds besides firmware sources: the model, a README and a Makefile for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.boards import Board, FrameworkName
from edgekit.projects.project import Project

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph


def model_files(model: bytes, generated: Mapping[str, str]) -> dict[str, bytes]:
    """The generated sources and the model they were made from, in the folder ``model/``."""
    files = {f"model/{name}": text.encode() for name, text in sorted(generated.items())}
    return {**files, "model/model.tflite": model}


def c_sources(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that a C compiler compiles."""
    return tuple(name for name in names if name.endswith(".c"))


def with_documents(project: Project, board: Board, graph: Graph, framework: FrameworkName) -> Project:
    """``project`` with the files that a person reads and runs."""
    return replace(project, files=dict(sorted(project.files.items())))
