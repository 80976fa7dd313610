"""What each engine makes of a model: the one place that knows which engines there are."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.boards import Board, EngineName, KernelsName
from edgekit.codegen.border import info_bytes
from edgekit.codegen.bundle import generate_bundle
from edgekit.codegen.c_model import array_bytes, constant_bytes, generate_model, program_sources
from edgekit.codegen.kernels import TABLES
from edgekit.codegen.layers import Program
from edgekit.codegen.memory_plan import MemoryPlan, Planning, plan_graph
from edgekit.codegen.tflm import ENGINE_NAME, TFLM_SOURCES, generate_tflm
from edgekit.codegen.tflm_arena import (
    ArenaEstimate,
    KernelLibrary,
    estimate_arena,
    least_bytes,
    prepare_bytes,
    tightened_bytes,
)
from edgekit.errors import UsageError
from edgekit.firmware_project import EngineFiles
from edgekit.graph.ir import Graph
from edgekit.graph.passes import DeployedGraph, deploy
from edgekit.graph.tflite import stored_tensor_count
from edgekit.toolchains.cores import CORES, CoreFeature
from edgekit.toolchains.flags import DEFAULT_OPTIMIZE, Optimize

DEFAULT_KERNELS: KernelsName = "reference"
"""Of the litert engine: those that can be proved."""


def deployed_graph(engine: str, graph: Graph, *, passes: bool = True) -> DeployedGraph:
    """What ``engine`` runs of the model of ``graph``: those that interpret a .tflite run it as it is."""
    return deploy(graph) if engine == "aot" and passes else DeployedGraph(graph)


def engine_files(
    engine: EngineName,
    graph: Graph,
    model: bytes,
    board: Board,
    *,
    kernels: KernelsName | None = None,
    class_names: Sequence[str] = (),
    arena_bytes: int | None = None,
    optimize: Optimize = DEFAULT_OPTIMIZE,
    stream_input: bool = False,
) -> EngineFiles:
    """The files of ``engine`` for ``graph``, read from the .tflite ``model`` and deployed, on ``board``.

    ``kernels`` are those of the litert engine (None: :data:`DEFAULT_KERNELS`); the other engines have no
    choice. ``class_names`` may be empty. ``arena_bytes`` is the arena of the tflm engine (None: an
    estimate that suffices). ``optimize`` chooses plan and kernels of the engine aot, which
    takes its input row by row with ``stream_input``. Raises UsageError.
    """
    if stream_input and engine != "aot":
        raise UsageError(
            f"the engine {engine} needs its input as a whole; only aot takes it row by row. Leave "
            "--stream-input out, or choose --engine aot."
        )
    if kernels is not None and engine != "litert":
        raise UsageError(
            f"kernels are chosen for the engine litert only, not for {engine}: leave --kernels out."
        )
    if engine == "litert":
        return EngineFiles(
            lambda: generate_bundle(graph, board.name, kernels or DEFAULT_KERNELS, class_names),
            (),
            arena_bytes=0,
            constant_bytes=len(model),
            model_bytes=len(model),
        )
    if engine == "aot":
        return _aot(graph, CORES[board.mcu.core].features, optimize, stream_input=stream_input)
    if engine == "tflm":
        return _tflm(graph, model, board, arena_bytes)
    raise UsageError(f"the engine '{engine}' cannot run on {board.name}. Choose another with --engine.")


def _aot(
    graph: Graph, features: frozenset[CoreFeature], optimize: Optimize, *, stream_input: bool
) -> EngineFiles:
    program, plan = aot_program(graph, features, optimize, stream_input=stream_input)
    whole = aot_program(graph, features, optimize)[1].arena_bytes if stream_input else None
    return EngineFiles(
        generate=lambda: generate_model(program, plan),
        sources=program_sources(program),
        arena_bytes=plan.arena_bytes,
        constant_bytes=constant_bytes(program, plan),
        model_bytes=array_bytes(program),
        whole_input_arena_bytes=whole,
        lowered=(program, plan),
    )


def aot_program(
    graph: Graph, features: frozenset[CoreFeature], optimize: Optimize, *, stream_input: bool = False
) -> tuple[Program, MemoryPlan]:
    """The program and plan of the engine aot. The smallest image has the portable kernels only."""
    known = frozenset[str]() if optimize == "size" else frozenset[str]({*features, TABLES})
    planning: Planning = "speed" if optimize == "speed" else "ram"
    return plan_graph(graph, known, planning, stream_input=stream_input)


def tflm_arena(graph: Graph, model: bytes, board: Board) -> ArenaEstimate:
    """What TFLite Micro's arena for ``graph``, read from the .tflite ``model``, must hold on ``board``."""
    return estimate_arena(graph, stored_tensor_count(model), _tflm_kernels(board))


def tightened_arena(used_bytes: int, graph: Graph, model: bytes, board: Board) -> int:
    """The arena that suffices a ``board`` whose tflm engine reported ``used_bytes`` for ``graph``."""
    return tightened_bytes(
        used_bytes, tflm_arena(graph, model, board), prepare_bytes(graph, _tflm_kernels(board))
    )


def _tflm(graph: Graph, model: bytes, board: Board, arena_bytes: int | None) -> EngineFiles:
    estimate = tflm_arena(graph, model, board)
    total_bytes = estimate.total_bytes if arena_bytes is None else arena_bytes
    if total_bytes < least_bytes(estimate):
        raise UsageError(
            f"an arena of {total_bytes:,} bytes is too small for {graph.name}: its activations alone take "
            f"{least_bytes(estimate):,}. Leave --arena out for an arena of {estimate.total_bytes:,} bytes."
        )
    return EngineFiles(
        generate=lambda: generate_tflm(graph, model, total_bytes, prepare_bytes(graph, _tflm_kernels(board))),
        sources=TFLM_SOURCES,
        arena_bytes=total_bytes,
        constant_bytes=len(model) + info_bytes(graph, ENGINE_NAME),
        model_bytes=len(model),
    )


def _tflm_kernels(board: Board) -> KernelLibrary:
    """The kernels that ask for the most arena among those that a TFLite Micro for ``board`` may have."""
    core = board.mcu.core
    if core == "xtensa-lx7":
        return "esp_nn_s3"
    if board.engines["tflm"].framework == "esp_idf":
        return "esp_nn"
    if not core.startswith("cortex-m"):
        return "reference"
    return "cmsis_nn_mve" if "mve" in CORES[core].features else "cmsis_nn"
