"""What firmware will take of a board, told before a compiler runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.boards import Board, EngineName, board_names, load_board, milliseconds
from edgekit.errors import DoesNotFitError, ToolchainError, UsageError
from edgekit.stages.job import Job
from edgekit.stages.quantize import INT8_MODEL, Int8Model, obtain_model
from edgekit.toolchains.cores import CORES, CoreFeature
from edgekit.toolchains.flags import OPTIMIZE_CHOICES, Optimize

if TYPE_CHECKING:
    from edgekit.costs.fit import BoardMemory, Needs
    from edgekit.costs.prediction import Prediction
    from edgekit.costs.tables import CostTable
    from edgekit.firmware_project import EngineFiles


@dataclass(frozen=True)
class Estimate:
    """What an image needs of ``memory``. ``compiler`` is the one whose code was measured, None where nothing
    was: then ``needs`` are the least that there can be. ``refusal`` says why it cannot fit.
    """

    board: Board
    engine: EngineName
    optimize: Optimize
    compiler: str | None
    memory: BoardMemory
    needs: Needs
    prediction: Prediction
    refusal: str | None

    def __str__(self) -> str:
        clock = f"{self.board.mcu.clock_hz / 1e6:g} MHz"
        time = (
            f", {self.prediction.instructions:,} instructions ({self.milliseconds:.1f} ms at {clock} if each "
            "takes a cycle)"
            if self.milliseconds is not None
            else ""
        )
        refusal = "" if self.refusal is None else "; it does not fit"
        return f"flash {self.needs.flash_bytes:,} bytes, RAM {self.needs.ram_bytes:,} bytes{time}{refusal}"

    @property
    def milliseconds(self) -> float | None:
        """Of an inference, as if each instruction took a cycle; None where nothing tells."""
        count = self.prediction.instructions
        return None if count is None else milliseconds(count, self.board.mcu.clock_hz)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "board": self.board.name,
            "engine": self.engine,
            "optimize": self.optimize,
            "compiler": self.compiler,
            "measured": self.needs.is_measured,
            "fits": False if self.refusal is not None else (True if self.needs.is_measured else None),
            "refusal": self.refusal,
            "ram_bytes": self.needs.ram_bytes,
            "ram_available_bytes": self.memory.ram_bytes,
            "flash_bytes": self.needs.flash_bytes,
            "flash_available_bytes": self.memory.flash_bytes,
            "instructions": self.prediction.instructions,
            "clock_hz": self.board.mcu.clock_hz,
        }


def estimate(job: Job) -> list[Estimate]:
    """The job's model on its board, for each ``--optimize`` that makes a difference there.

    Raises UsageError where there is no model yet.
    """
    model, board = _model(job), job.board()
    engine = job.engine_name(board)
    choices = OPTIMIZE_CHOICES if engine == "aot" else (job.settings.build.optimize,)
    return [
        expect(job, board, engine, model_files(job, model, board, engine, optimize), optimize)
        for optimize in choices
    ]


def estimate_boards(job: Job) -> Iterator[Estimate]:
    """The job's model on every board that there is, with the board's default engine."""
    model, optimize = _model(job), job.settings.build.optimize
    files: dict[tuple[EngineName, frozenset[CoreFeature]], EngineFiles] = {}
    for name in board_names(job.workspace.boards_folder):
        board = load_board(name, job.workspace.boards_folder)
        engine = board.default_engine
        if engine == "aot":  # What it makes of a model depends on what the core can do, not on the board.
            key = engine, CORES[board.mcu.core].features
            if key not in files:
                files[key] = model_files(job, model, board, engine, optimize)
            yield expect(job, board, engine, files[key], optimize)
        elif engine == "tflm":
            yield expect(job, board, engine, model_files(job, model, board, engine, optimize), optimize)


def expect(
    job: Job, board: Board, engine: EngineName, files: EngineFiles, optimize: Optimize | None = None
) -> Estimate:
    """What an image with ``files`` needs, built with ``optimize`` (None: as the settings have it)."""
    from edgekit.costs.fit import check_fit, least_needs, predicted_needs
    from edgekit.costs.prediction import UNKNOWN, predict

    chosen = optimize or job.settings.build.optimize
    memory, target = board_memory(board), board.engines[engine]
    is_own = target.framework in {"baremetal", "linux"} and files.lowered is not None
    table = _cost_table(job, board, engine) if is_own else None
    prediction = UNKNOWN
    if files.lowered is not None:
        prediction = predict(*files.lowered, table, chosen, target.target)
    measured = predicted_needs(prediction, memory)
    needs = measured or least_needs(files.arena_bytes, files.constant_bytes, memory)
    refusal = None
    try:
        check_fit(needs, board.name, memory)
    except DoesNotFitError as error:
        refusal = str(error)
    compiler = table.compiler if table is not None else None
    return Estimate(board, engine, chosen, compiler, memory, needs, prediction, refusal)


def board_memory(board: Board) -> BoardMemory:
    """What ``board`` has of flash and RAM, and what of it no model can use."""
    from edgekit.costs.fit import AVR_HARNESS_RAM_BYTES, HARNESS_RAM_BYTES, BoardMemory

    stack_bytes = board.memory.stack_bytes if board.memory is not None else 0
    ram_bytes = board.mcu.ram_bytes + (board.mcu.psram_bytes or 0)
    harness_ram_bytes = AVR_HARNESS_RAM_BYTES if board.mcu.core.startswith("avr") else HARNESS_RAM_BYTES
    return BoardMemory(ram_bytes, board.mcu.flash_bytes, stack_bytes, harness_ram_bytes)


def _model(job: Job) -> Int8Model:
    if job.settings.model.file is None and not (job.workspace.model_folder / INT8_MODEL).exists():
        raise UsageError(
            "there is no int8 model yet to estimate: name one with --model, or make one with `edgekit "
            "quantize`."
        )
    return obtain_model(job)


def model_files(
    job: Job, model: Int8Model, board: Board, engine: EngineName, optimize: Optimize
) -> EngineFiles:
    """What ``engine`` makes of the job's model for ``board`` with ``optimize``."""
    from edgekit.engines import deployed_graph, engine_files

    deployed = deployed_graph(engine, model.graph, passes=job.settings.build.passes)
    stream_input = job.settings.build.stream_input and engine == "aot"
    return engine_files(
        engine, deployed.graph, model.data, board, optimize=optimize, stream_input=stream_input
    )


def _cost_table(job: Job, board: Board, engine: EngineName) -> CostTable | None:
    """Of the toolchain that would compile; None where that version was not measured: it may make other code.

    Where none is installed it is that of the first one that the board lists.
    """
    from edgekit.costs.tables import cost_table
    from edgekit.toolchains.build import find_toolchain

    chosen = job.settings.build.toolchain
    try:
        found = find_toolchain(board, chosen, engine)
    except ToolchainError:
        return cost_table(board.mcu.core, chosen or board.engines[engine].toolchains[0])
    table = cost_table(board.mcu.core, found.name)
    return table if table is not None and table.compiler == f"{found.name} {found.version}" else None
