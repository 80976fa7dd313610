"""From the int8 model to firmware: ``out/<board>/project/``, the image and ``build.json``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgekit.boards import Board, EngineName, ToolchainName
from edgekit.errors import NotCompiledError, UsageError
from edgekit.files import write_atomically
from edgekit.resources import firmware_folder
from edgekit.stages.arena import chosen_arena
from edgekit.stages.job import PREDECESSOR, Job, run_stage, sources_digest, versions
from edgekit.stages.quantize import INT8_MODEL, Int8Model, obtain_model
from edgekit.stages.train import architecture_of
from edgekit.workspace import read_json, sha256_of_folder, write_json

if TYPE_CHECKING:
    from edgekit.config import BuildSettings
    from edgekit.firmware_project import EngineFiles, Project
    from edgekit.graph.passes import Saving
    from edgekit.stages.estimate import Estimate
    from edgekit.toolchains.build import BuildResult
    from edgekit.toolchains.tflm import TflmLibrary

PROJECT_FOLDER = "project"
BUILD_REPORT = "build.json"
VERDICT = "verdict.json"


@dataclass(frozen=True)
class Firmware:
    """A built image: its file, what it was built from, the sizes that ``build.json`` records, and what is
    expected of it by today's tables.
    """

    image: Path
    board: Board
    engine: EngineName
    model: Int8Model
    report: dict[str, Any]
    expected: Estimate


def build(job: Job) -> Firmware:
    """The firmware of the job's model for its board, built now unless nothing changed since it was.

    Raises DoesNotFitError before any compiler runs where the model is too large for the board, and
    NotCompiledError where the project was generated but what compiles it is not installed.
    """
    from edgekit.engines import deployed_graph, engine_files
    from edgekit.stages.estimate import check_expected, expect

    board = job.board()
    engine = job.engine_name(board)
    if job.settings.model.file is None and not (job.workspace.model_folder / INT8_MODEL).exists():
        _check_before_training(job, board, engine)
    model = obtain_model(job)
    kernels = job.settings.build.kernels
    deployed = deployed_graph(engine, model.graph, passes=job.settings.build.passes)
    files = engine_files(
        engine,
        deployed.graph,
        model.data,
        board,
        kernels=kernels,
        class_names=model.class_names,
        arena_bytes=chosen_arena(job, board, engine, model),
        optimize=job.settings.build.optimize,
        stream_input=job.settings.build.stream_input,
    )
    expected = expect(job, board, engine, files)
    check_expected(job, model, expected)
    options = job.settings.build
    tflm = _tflm_library(job, board, engine)
    folder = job.workspace.board_folder(board.name)
    inputs = {
        PREDECESSOR: model.graph.sha256,
        "model_name": model.graph.name,
        "class_names": list(model.class_names),
        "board": msgspec.to_builtins(board),
        "engine": engine,
        "kernels": kernels,
        "toolchain": _toolchain(board, engine, options.toolchain),
        "optimize": options.optimize,
        "passes": options.passes,
        "stream_input": options.stream_input,
        "arena": files.arena_bytes,
        "tflm": tflm.sha256 if tflm is not None else None,
        "firmware": sha256_of_folder(firmware_folder()),
        "code": sources_digest("engines.py", "codegen", "graph", "projects", "runner", "toolchains"),
        "versions": versions(),
    }
    _forget_uncompiled(folder)
    run_stage(
        job,
        "build",
        folder,
        inputs,
        lambda: _build(job, expected, model, files, deployed.savings, folder, tflm),
    )
    report = read_json(folder / BUILD_REPORT)
    if not report.get("compiled", True):
        raise NotCompiledError(report["reason"])
    if not (folder / PROJECT_FOLDER).is_dir():
        job.reporter.warn(f"{folder / PROJECT_FOLDER} is gone; `edgekit build --force` writes it again")
    return Firmware(folder / report["image"], board, engine, model, report, expected)


def _check_before_training(job: Job, board: Board, engine: EngineName) -> None:
    """Raises DoesNotFitError where the network that would be trained cannot fit, before an hour is spent.

    An interpreter keeps whole tensors. The engine aot may need less than the largest, but it needs the
    picture, unless that comes row by row.
    """
    from edgekit.costs.fit import check_fit, least_needs
    from edgekit.models.cost import cost
    from edgekit.stages.estimate import board_memory

    architecture = architecture_of(job, classes=2)
    expected = cost(architecture)
    picture_bytes = 0 if job.settings.build.stream_input else prod(architecture.input_shape)
    arena_bytes = picture_bytes if engine == "aot" else expected.peak_activation_bytes
    memory = board_memory(board)
    check_fit(least_needs(arena_bytes, expected.weight_bytes, memory), board.name, memory)


def _tflm_library(job: Job, board: Board, engine: EngineName) -> TflmLibrary | None:
    """The TFLite Micro that the settings name, where the engine is tflm and no SDK brings one."""
    from edgekit.toolchains.tflm import open_tflm

    root = job.settings.build.tflm_root
    if engine != "tflm" or root is None or board.engines[engine].framework not in {"baremetal", "linux"}:
        return None
    return open_tflm(job.workspace.root / root)


def _build(
    job: Job,
    expected: Estimate,
    model: Int8Model,
    files: EngineFiles,
    savings: Sequence[Saving],
    folder: Path,
    tflm: TflmLibrary | None,
) -> Iterable[Path]:
    from edgekit.projects.assembler import assemble
    from edgekit.projects.project import write_project

    options, board, engine = job.settings.build, expected.board, expected.engine
    (folder / VERDICT).unlink(missing_ok=True)  # It judged the firmware that is replaced now.
    job.reporter.heading(f"building {model.graph.name} for {board.name} ({board.title}), engine {engine}")
    for saving in savings:
        job.reporter.say(f"{saving}; no output byte changes")
    if files.whole_input_arena_bytes is not None:
        job.reporter.say(
            f"the input is streamed: an arena of {files.arena_bytes:,} bytes, "
            f"{files.whole_input_arena_bytes:,} with the input as a whole"
        )
    _tell_choices(job, model, expected)
    project = assemble(board, model.graph, model.data, files, engine, model.class_names)
    project_folder = folder / PROJECT_FOLDER
    write_project(project, project_folder)
    about = {
        "model": model.graph.name,
        "model_sha256": model.graph.sha256,
        "board": board.name,
        "engine": engine,
        "optimize": options.optimize,
        "stream_input": options.stream_input,
        "arena_bytes": files.arena_bytes,
        "model_bytes": files.model_bytes,
        "passes": [saving.to_json() for saving in savings],
        "kernels": _kernels(files),
    }
    try:
        result = _compile(project, project_folder, board, engine, options, tflm)
    except NotCompiledError as error:
        _remove_images(folder)  # They are of an earlier project.
        write_json(folder / BUILD_REPORT, {**about, "compiled": False, "reason": str(error)})
        return [folder / BUILD_REPORT]
    outputs = [_keep(path, folder) for path in (result.image, result.binary, result.uf2) if path is not None]
    report = {
        **about,
        "compiled": True,
        "image": outputs[0].name,
        "files": [path.name for path in outputs],
        "toolchain": f"{result.toolchain} {result.toolchain_version}",
        "flash_bytes": result.flash_bytes,
        "ram_bytes": result.ram_bytes,
        "code_bytes": result.code_bytes,
        "constant_bytes": result.constant_bytes,
        "reserved_stack_bytes": result.stack_bytes,
        "harness_code_bytes": result.harness_code_bytes,
        "harness_constant_bytes": result.harness_constant_bytes,
    }
    write_json(folder / BUILD_REPORT, report)
    job.reporter.say(f"{outputs[0]}: {_sizes(result, files)}; {report['toolchain']}")
    return [*outputs, folder / BUILD_REPORT]


def _kernels(files: EngineFiles) -> list[dict[str, Any]]:
    """The functions that run each operator in the engine aot; other engines choose when they run."""
    layers = files.lowered[0].layers if files.lowered is not None else ()
    return [
        {"operator": layer.op.index, "kernel": layer.call.function}
        for layer in layers
        if layer.call is not None
    ]


def _tell_choices(job: Job, model: Int8Model, expected: Estimate) -> None:
    """Says what the firmware will take, and what it would with another ``--optimize``."""
    from edgekit.stages.estimate import choices, recommended

    if not expected.is_told:
        return
    estimates = choices(job, model, expected)
    job.reporter.say(f"expected of --optimize {expected.optimize}: {expected}")
    for other in estimates:
        if other is not expected:
            job.reporter.say(f"it would be for --optimize {other.optimize}: {other}")
    best = recommended(estimates)
    if best is not None and best is not expected:
        job.reporter.say(f"recommended: --optimize {best.optimize}")


def _sizes(result: BuildResult, files: EngineFiles) -> str:
    if result.toolchain == "none":  # Python: what it will need of RAM is up to its interpreter.
        return f"{result.flash_bytes:,} bytes, {result.constant_bytes:,} of them the model's files"
    return (
        f"flash {result.flash_bytes:,} bytes (code {result.code_bytes:,}), "
        f"RAM {result.ram_bytes:,} bytes (arena {files.arena_bytes:,})"
    )


def _toolchain(board: Board, engine: EngineName, chosen: ToolchainName | None) -> str:
    """Name and version of what compiles the project; "none" where it is an SDK that is not installed."""
    from edgekit.toolchains.build import find_toolchain
    from edgekit.toolchains.sdk import board_sdks, first_installed

    sdks = board_sdks(board, engine, chosen)
    if not sdks:
        toolchain = find_toolchain(board, chosen, engine)
        return f"{toolchain.name} {toolchain.version}"
    found = first_installed(sdks)
    return "none" if found is None else f"{found.sdk} {found.version}"


def _compile(
    project: Project,
    folder: Path,
    board: Board,
    engine: EngineName,
    options: BuildSettings,
    tflm: TflmLibrary | None,
) -> BuildResult:
    """Compiles the project in ``folder``: with its SDK, or with a compiler that edgekit drives itself."""
    from edgekit.toolchains.build import compile_project
    from edgekit.toolchains.sdk import board_sdks, first_installed, not_compiled
    from edgekit.toolchains.sdk_build import compile_with_sdk

    sdks = board_sdks(board, engine, options.toolchain)
    if not sdks:
        return compile_project(
            project, folder, board, options.toolchain, optimize=options.optimize, engine=engine, tflm=tflm
        )
    found = first_installed(sdks)
    if found is None:
        raise not_compiled(sdks, folder, board.engines[engine].target)
    return compile_with_sdk(found, project, folder, board, engine)


def _forget_uncompiled(folder: Path) -> None:
    """Has a build that lacked its SDK run again, whatever changed: the SDK may be there now."""
    if not _earlier_report(folder).get("compiled", True):
        (folder / BUILD_REPORT).unlink()


def _remove_images(folder: Path) -> None:
    """Removes what an earlier build left beside the project."""
    for name in _earlier_report(folder).get("files", []):
        if name == Path(name).name:
            (folder / name).unlink(missing_ok=True)


def _earlier_report(folder: Path) -> dict[str, Any]:
    """What an earlier build reported; nothing where there was none or its report is damaged."""
    try:
        report = read_json(folder / BUILD_REPORT)
    except UsageError:
        return {}
    return report if isinstance(report, dict) else {}


def _keep(path: Path, folder: Path) -> Path:
    """Copies a compiler's result out of the project into the board's folder, whole or not at all."""
    target = folder / path.name
    write_atomically(target, path.read_bytes())
    shutil.copymode(path, target)
    return target
