"""Proves the device: ``out/<board>/verdict.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from edgekit import __version__
from edgekit.boards import Board
from edgekit.config import BUILT_IN_DATA, override
from edgekit.device.device import Device
from edgekit.errors import UsageError
from edgekit.graph.ir import Graph, Tensor
from edgekit.stages.arena import record_arena
from edgekit.stages.build import VERDICT, Firmware, build
from edgekit.stages.device import locate_device, open_device
from edgekit.stages.job import Job
from edgekit.stages.quantize import Int8Model, obtain_model
from edgekit.verification.vectors import Vectors
from edgekit.verification.verdict import Latency, Verdict
from edgekit.workspace import sha256_of_file, write_json

if TYPE_CHECKING:
    from edgekit.verification.judgement import Tolerance
    from edgekit.verification.verify import Expectation


def verify(job: Job) -> Verdict:
    """The verdict on the board that the job's settings name, or on its emulation where they name none.

    Raises DeviceError where the board is neither emulated nor at a port.
    """
    from edgekit.engines import deployed_graph
    from edgekit.golden import open_comparators, open_golden
    from edgekit.verification.verify import check_identity, compute_reference
    from edgekit.verification.verify import verify as judge

    board = job.board()
    job = locate_device(job, board)
    firmware = None if job.settings.device.is_named else build(job)
    model = firmware.model if firmware is not None else obtain_model(job)
    pictures = _pictures(job, model)
    vectors = _vectors(job, model.graph, pictures)
    folder = job.workspace.prepare(job.workspace.board_folder(board.name))
    (folder / VERDICT).unlink(missing_ok=True)  # A verdict must not outlive what it judged.
    expected = _expectation(job, board, firmware)
    golden = open_golden(model.data, model.graph)
    job.reporter.heading(
        f"verifying {board.name} against {golden.name} {golden.version} on {len(vectors)} inputs"
    )
    with open_device(job, board, firmware) as device:
        info = check_identity(device, model.graph, expected)
        deployed = deployed_graph(info.engine_name, model.graph).graph
        reference = compute_reference(model.graph, golden, open_comparators(model.data), vectors, deployed)
        with job.reporter.progress("on the device") as advance:
            verdict = judge(
                device,
                model.graph,
                reference,
                expected,
                pictures.class_names,
                job.settings.verify.layer_check_inputs,
                advance,
                _tolerance(job),
            )
    if firmware is not None:
        latency = _emulated_latency(board, firmware, vectors, verdict.latency)
        verdict = replace(verdict, latency=latency)
    write_json(folder / VERDICT, {**verdict.to_json(), "vectors": _described(job), "edgekit": __version__})
    record_arena(folder, verdict)
    job.reporter.verdict(verdict)
    job.reporter.say(f"verdict: {folder / VERDICT}")
    return verdict


def _expectation(job: Job, board: Board, firmware: Firmware | None) -> Expectation:
    from edgekit.device.emulators import is_python
    from edgekit.verification.verify import Expectation

    image_sha256 = None if firmware is None else sha256_of_file(firmware.image)
    engine = job.settings.build.engine if firmware is None else firmware.engine
    where = _where(job, board)
    if firmware is not None and is_python(firmware.image):
        where = "as a process of this computer"
    return Expectation(board.name, where, engine, image_sha256, job.settings.build.kernels)


def _tolerance(job: Job) -> Tolerance:
    from edgekit.verification.judgement import Tolerance

    limits = job.settings.verify
    return Tolerance(limits.max_mean_difference, limits.min_top1_agreement)


def _where(job: Job, board: Board) -> str:
    """Where the device is, in words: nobody shall take an emulator for the board."""
    from edgekit.device.emulators import emulator_program

    at = job.settings.device
    if at.port is not None:
        return f"at {at.port}"
    if at.target is not None:
        return f"over ssh at {at.target}"
    if board.emulator is None or board.emulator.kind == "process":
        return "as a process of this computer"
    return f"emulated by {emulator_program(board)}"


def _described(job: Job) -> dict[str, Any]:
    """Which vectors were asked for, so that the verdict can be had again."""
    return {**msgspec.to_builtins(job.settings.verify), "seed": job.settings.seed}


def _emulated_latency(
    board: Board, firmware: Firmware, vectors: Vectors, measured: Latency | None
) -> Latency | None:
    """What one inference costs on an emulated board.

    That is executed instructions where the emulator counts them, which slows it down and so has a run of
    its own. The clock of any other emulator says nothing about the board; that of a local process does.
    """
    from edgekit.device.emulators import counts_instructions, instructions, open_emulator

    if not counts_instructions(board):
        local = board.emulator is not None and board.emulator.kind == "process"
        return measured if local else None
    with Device(open_emulator(board, firmware.image, count_instructions=True)) as device:
        executed = instructions(board, device.run(vectors.one(0)).ticks)
    return Latency("instructions", 1, executed, executed, executed, None)


@dataclass(frozen=True)
class _Pictures:
    vectors: Vectors | None
    class_names: tuple[str, ...]


def _pictures(job: Job, model: Int8Model) -> _Pictures:
    """Labelled test pictures as model inputs; none for a user's own model without a picture folder."""
    from edgekit.data.preprocessing import quantize_pixels
    from edgekit.data.split import stratified_sample
    from edgekit.verification.vectors import picture_vectors

    limit = job.settings.verify.pictures
    own_pictures = job.settings.data.source != BUILT_IN_DATA
    if limit == 0 or not (model.trained_here or own_pictures):
        return _Pictures(None, model.class_names)
    pixels = _picture_tensor(model.graph)
    pictures = _with_picture_shape(job, pixels).test_pictures
    _check_classes(model.graph, pictures.class_names)
    chosen = stratified_sample(pictures.labels, limit, job.settings.seed)
    images = quantize_pixels(pictures.images[chosen], pixels.scale, pixels.zero_point)
    vectors = picture_vectors(images, [int(label) for label in pictures.labels[chosen]])
    return _Pictures(vectors, tuple(pictures.class_names))


def _picture_tensor(graph: Graph) -> Tensor:
    """The graph's only input, which must take a square picture."""
    tensor = graph.tensors[graph.inputs[0]]
    if len(graph.inputs) != 1 or len(tensor.shape) != 4 or tensor.shape[1] != tensor.shape[2]:
        raise UsageError(
            f"{graph.name} does not read one square picture (its input is {tensor.shape}), so it cannot be "
            "verified on a picture folder. Leave --data out: noise and structured vectors remain."
        )
    return tensor


def _with_picture_shape(job: Job, pixels: Tensor) -> Job:
    """The job, its pictures loaded at the size and with the channels that the model reads."""
    _, size, _, channels = pixels.shape
    if (job.settings.data.image_size, job.settings.data.channels) == (size, channels):
        return job
    settings = override(job.settings, {"data.image_size": size, "data.channels": channels})
    return replace(job, settings=settings)


def _check_classes(graph: Graph, class_names: Sequence[str]) -> None:
    classes = graph.tensors[graph.outputs[0]].size_bytes
    if classes != len(class_names):
        raise UsageError(
            f"the output of {graph.name} has {classes} elements, the picture folder has {len(class_names)} "
            f"({', '.join(class_names)}). Name the folder of the model's own classes with --data."
        )


def _vectors(job: Job, graph: Graph, pictures: _Pictures) -> Vectors:
    from edgekit.verification.vectors import concatenate, noise_vectors, structured_vectors

    settings = job.settings.verify
    parts = [
        *([pictures.vectors] if pictures.vectors is not None else []),
        *([structured_vectors(graph)] if settings.structured else []),
        *([noise_vectors(graph, settings.noise, job.settings.seed)] if settings.noise else []),
    ]
    if not parts:
        raise UsageError("there is nothing to verify with: allow pictures, noise or structured vectors.")
    return concatenate(parts)
