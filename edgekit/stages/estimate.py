"""What firmware will take of a board, told before a compiler runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgekit.boards import Board, EngineName, board_names, load_board, milliseconds
from edgekit.config import override
from edgekit.errors import DoesNotFitError, ToolchainError, UsageError
from edgekit.stages.arena import chosen_arena
from edgekit.stages.job import Job
from edgekit.stages.quantize import INT8_MODEL, Int8Model, obtain_model
from edgekit.toolchains.cores import CORES, CoreFeature
from edgekit.toolchains.flags import OPTIMIZE_CHOICES, Optimize

if TYPE_CHECKING:
    from edgekit.costs.fit import BoardMemory, Needs
    from edgekit.costs.prediction import Prediction
    from edgekit.costs.tables import CostTable
    from edgekit.firmware_project import EngineFiles

_NEARLY_AS_FAST = 1.02
"""Of builds whose instructions differ by less, the one that needs less RAM is the better one."""

_SMALLER_MODEL = (
    "Choose a smaller alpha, image size or depth, or a board with more {memory} (`edgekit boards`)."
)


@dataclass(frozen=True)
class Estimate:
    """What an image needs of ``memory``. ``compiler`` is the one whose code was measured, None where nothing
    was: then ``unmeasured`` says why, and ``needs`` are the least that there can be. ``refusal`` says why it
    cannot fit. ``optimize`` is None for engines that have no choice.
    """

    board: Board
    engine: EngineName
    optimize: Optimize | None
    stream_input: bool
    arena_bytes: int
    compiler: str | None
    memory: BoardMemory
    needs: Needs
    prediction: Prediction
    unmeasured: str | None
    refusal: DoesNotFitError | None

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where that cannot be told. Under an operating system the least is enough."""
        if self.refusal is not None:
            return False
        return True if self.needs.is_measured or self.memory.flash_bytes is None else None

    @property
    def milliseconds(self) -> float | None:
        """Of an inference, if each instruction takes a cycle; None where instructions are not known."""
        count = self.prediction.instructions
        return None if count is None else milliseconds(count, self.board.mcu.clock_hz)

    @property
    def is_told(self) -> bool:
        """Whether there is more to say than the least that there can be."""
        return self.needs.is_measured or self.prediction.instructions is not None

    def __str__(self) -> str:
        least = "" if self.needs.is_measured else "at least "
        parts = [f"RAM {least}{self.needs.ram_bytes:,} bytes"]
        if self.memory.flash_bytes is not None:
            parts.insert(0, f"flash {least}{self.needs.flash_bytes:,} bytes")
        if self.milliseconds is not None:
            parts.append(
                f"{self.prediction.instructions:,} instructions ({self.milliseconds:.1f} ms at "
                f"{self.board.mcu.clock_hz / 1e6:g} MHz if each takes a cycle)"
            )
        refusal = "" if self.refusal is None else f"; too little {self.refusal.memory}"
        return ", ".join(parts) + refusal

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "board": self.board.name,
            "engine": self.engine,
            "optimize": self.optimize,
            "stream_input": self.stream_input,
            "compiler": self.compiler,
            "measured": self.needs.is_measured,
            "unmeasured_because": self.unmeasured,
            "fits": self.fits,
            "refusal": None if self.refusal is None else str(self.refusal),
            "ram_bytes": self.needs.ram_bytes,
            "arena_bytes": self.arena_bytes,
            "static_bytes": self.needs.ram_bytes - self.arena_bytes - self.memory.stack_bytes,
            "reserved_stack_bytes": self.memory.stack_bytes,
            "ram_available_bytes": self.memory.ram_bytes,
            "flash_bytes": self.needs.flash_bytes,
            "flash_available_bytes": self.memory.flash_bytes,
            "instructions": self.prediction.instructions,
            "milliseconds": self.milliseconds,
            "clock_hz": self.board.mcu.clock_hz,
        }


def estimate(job: Job) -> list[Estimate]:
    """The job's model on its board, for each ``--optimize`` that makes a difference there.

    Raises UsageError where there is no model yet.
    """
    model, board = _model(job), job.board()
    engine = job.engine_name(board)
    arena_bytes = chosen_arena(job, board, engine, model)
    choices = OPTIMIZE_CHOICES if engine == "aot" else (job.settings.build.optimize,)
    return [_estimate(job, model, board, engine, optimize, arena_bytes) for optimize in choices]


def estimate_boards(job: Job) -> Iterator[Estimate]:
    """The job's model on every board that there is, with the board's default engine."""
    model, optimize = _model(job), job.settings.build.optimize
    files: dict[frozenset[CoreFeature], EngineFiles] = {}
    for name in board_names(job.workspace.boards_folder):
        board = load_board(name, job.workspace.boards_folder)
        engine = board.default_engine
        if engine == "aot":  # What it makes of a model depends on what the core can do, not on the board.
            features = CORES[board.mcu.core].features
            if features not in files:
                files[features] = _model_files(job, model, board, engine, optimize)
            yield expect(job, board, engine, files[features], optimize)
        elif engine == "tflm":
            yield _estimate(job, model, board, engine, optimize)


def recommended(estimates: Sequence[Estimate]) -> Estimate | None:
    """Of those that fit: nearly the fewest instructions, and of these the least RAM, then flash. None where
    that cannot be told.
    """
    counted = [
        (found.prediction.instructions, found)
        for found in estimates
        if found.fits and found.prediction.instructions is not None
    ]
    if not counted:
        return None
    fewest = min(count for count, _ in counted)
    fast = [found for count, found in counted if count <= fewest * _NEARLY_AS_FAST]
    return min(fast, key=lambda found: (found.needs.ram_bytes, found.needs.flash_bytes))


def choices(job: Job, model: Int8Model, expected: Estimate) -> list[Estimate]:
    """``expected`` and what it would be with each other ``--optimize``, where the engine has that choice."""
    if expected.optimize is None:
        return [expected]
    return [
        expected
        if optimize == expected.optimize
        else _estimate(job, model, expected.board, expected.engine, optimize)
        for optimize in OPTIMIZE_CHOICES
    ]


def check_expected(job: Job, model: Int8Model, expected: Estimate) -> None:
    """Raises DoesNotFitError, with what would help, where ``expected`` surely does not fit."""
    refusal = expected.refusal
    if refusal is None:
        return
    others = [found for found in choices(job, model, expected) if found is not expected]
    others += _streamed(job, model, expected)
    smaller = _SMALLER_MODEL.format(memory=refusal.memory)
    fitting = [found for found in others if found.refusal is None]
    if not others:
        raise refusal.with_hint(smaller)
    if fitting:
        fits = "It fits" if all(found.fits for found in fitting) else "It may fit"
        raise refusal.with_hint(f"{fits} with {'; with '.join(map(_option, fitting))}.")
    in_ram = refusal.memory == "RAM"
    least = min(others, key=lambda found: found.needs.ram_bytes if in_ram else found.needs.flash_bytes)
    raise refusal.with_hint(
        f"No --optimize or --stream-input makes it fit; the least would be with {_option(least)}. {smaller}"
    )


def _option(found: Estimate) -> str:
    streamed = " --stream-input" if found.stream_input else ""
    return f"--optimize {found.optimize}{streamed}: {found}"


def _streamed(job: Job, model: Int8Model, expected: Estimate) -> list[Estimate]:
    """The smallest build whose input is streamed, unless ``expected`` is one or the model has no rows."""
    if expected.stream_input or expected.engine != "aot":
        return []
    streaming = replace(job, settings=override(job.settings, {"build.stream_input": True}))
    try:
        return [_estimate(streaming, model, expected.board, "aot", "ram")]
    except UsageError:
        return []


def expect(
    job: Job, board: Board, engine: EngineName, files: EngineFiles, optimize: Optimize | None = None
) -> Estimate:
    """What an image with ``files`` needs, built with ``optimize`` (None: as the settings have it)."""
    from edgekit.costs.fit import check_fit, least_needs, predicted_needs
    from edgekit.costs.prediction import UNKNOWN, predict

    chosen = optimize or job.settings.build.optimize
    memory, target = board_memory(board), board.engines[engine]
    table, unmeasured = _cost_table(job, board, engine)
    prediction = UNKNOWN
    if files.lowered is not None:
        prediction = predict(*files.lowered, table, chosen, target.target)
    measured = predicted_needs(prediction, memory)
    needs = measured or least_needs(files.arena_bytes, files.constant_bytes, memory)
    if measured is None and unmeasured is None:
        is_shared = target.framework == "linux"
        unmeasured = "its memory is the system's" if is_shared else "its kernels were not measured"
    refusal = None
    try:
        check_fit(needs, board.name, memory)
    except DoesNotFitError as error:
        refusal = error
    return Estimate(
        board,
        engine,
        chosen if engine == "aot" else None,
        job.settings.build.stream_input and engine == "aot",
        files.arena_bytes,
        table.compiler if table is not None else None,
        memory,
        needs,
        prediction,
        unmeasured,
        refusal,
    )


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


def _estimate(
    job: Job,
    model: Int8Model,
    board: Board,
    engine: EngineName,
    optimize: Optimize,
    arena_bytes: int | None = None,
) -> Estimate:
    files = _model_files(job, model, board, engine, optimize, arena_bytes)
    return expect(job, board, engine, files, optimize)


def _model_files(
    job: Job,
    model: Int8Model,
    board: Board,
    engine: EngineName,
    optimize: Optimize,
    arena_bytes: int | None = None,
) -> EngineFiles:
    """What ``engine`` makes of the job's model for ``board`` with ``optimize``."""
    from edgekit.engines import deployed_graph, engine_files

    deployed = deployed_graph(engine, model.graph, passes=job.settings.build.passes)
    stream_input = job.settings.build.stream_input and engine == "aot"
    return engine_files(
        engine,
        deployed.graph,
        model.data,
        board,
        arena_bytes=arena_bytes,
        optimize=optimize,
        stream_input=stream_input,
    )


def _cost_table(job: Job, board: Board, engine: EngineName) -> tuple[CostTable | None, str | None]:
    """Of the toolchain that would compile, or None and why: another version may make other code.

    Where none is installed it is that of the first one that the board lists.
    """
    from edgekit.costs.tables import cost_table
    from edgekit.toolchains.build import find_toolchain

    framework = board.engines[engine].framework
    if engine != "aot":
        return None, f"what the engine {engine} takes is known once it is linked"
    if framework not in {"baremetal", "linux"}:
        return None, f"what {framework} takes is known once it is linked"
    chosen = job.settings.build.toolchain
    try:
        found = find_toolchain(board, chosen, engine)
    except ToolchainError:
        name, compiler = chosen or board.engines[engine].toolchains[0], None
    else:
        name, compiler = found.name, f"{found.name} {found.version}"
    table = cost_table(board.mcu.core, name)
    if table is None or (compiler is not None and table.compiler != compiler):
        return None, f"{compiler or name} was not measured for {board.mcu.core}"
    return table, None
