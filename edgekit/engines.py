"""What each engine makes of a model: the one place that knows which engines there are."""

from __future__ import annotations

from edgekit.boards import Board, EngineName
from edgekit.codegen.c_model import constant_bytes, generate_model, program_sources
from edgekit.codegen.memory_plan import plan_graph
from edgekit.errors import UsageError
from edgekit.firmware_project import EngineFiles
from edgekit.graph.ir import Graph


def engine_files(engine: EngineName, graph: Graph, model: bytes, board: Board) -> EngineFiles:
    """The files of ``engine`` for ``graph``, which was read from the .tflite ``model``, on ``board``."""
    if engine == "aot":
        return _aot(graph)
    raise UsageError(f"the engine '{engine}' cannot run on {board.name}. Choose another with --engine.")


def _aot(graph: Graph) -> EngineFiles:
    program, plan = plan_graph(graph)
    return EngineFiles(
        generated=generate_model(program, plan),
        sources=program_sources(program),
        arena_bytes=plan.arena_bytes,
        constant_bytes=constant_bytes(program),
    )
