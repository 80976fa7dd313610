"""What the job's model costs on its board, measured: built, verified on a few inputs, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.benchmark import Cost, layer_costs
from edgekit.device.device import Device, GeneratedInput
from edgekit.errors import UsageError
from edgekit.stages.build import Firmware, build
from edgekit.stages.device import locate_device, open_device
from edgekit.stages.job import Job

if TYPE_CHECKING:
    from edgekit.boards import Board
    from edgekit.graph.ir import Int8Array
    from edgekit.verification.verdict import Verdict

NOISE_INPUTS = 8
"""Inputs that the device is compared on; `edgekit verify` compares on many more."""

LAYER_INPUTS = 2


def bench(job: Job) -> Cost:
    """The cost of one inference on the board of the job's settings, or on its emulation.

    Emulators that count instructions count them; other devices count what their counter counts. Raises
    UsageError where nothing counts.
    """
    board = job.board()
    job = locate_device(job, board)
    _warn_of_time(job, board)
    firmware = build(job)
    inputs, verdict = _verify(job, board, firmware)
    unit, ticks, layers = _count(job, board, firmware, inputs)
    report = firmware.report
    graph = firmware.model.graph
    model_bytes = report["model_bytes"]
    kernels: dict[int, list[str]] = {}
    for entry in report["kernels"]:
        kernels.setdefault(entry["operator"], []).append(entry["kernel"])
    costs = layer_costs(graph, layers, kernels)
    return Cost(
        model=graph.name,
        board=board.name,
        engine=firmware.engine,
        toolchain=report["toolchain"],
        optimize=report["optimize"],
        unit=unit,
        macs=sum(layer.macs for layer in costs),
        ticks=ticks,
        code_bytes=report["code_bytes"],
        constant_bytes=report["constant_bytes"] - model_bytes,
        harness_code_bytes=report["harness_code_bytes"],
        harness_constant_bytes=report["harness_constant_bytes"],
        model_bytes=model_bytes,
        arena_bytes=report["arena_bytes"],
        static_bytes=report["ram_bytes"] - report["arena_bytes"] - report["reserved_stack_bytes"],
        stack_bytes=verdict.stack_used_bytes,
        inputs=verdict.inputs,
        distinct_outputs=verdict.distinct_outputs,
        exact=verdict.exact,
        layers=costs,
        clock_hz=board.mcu.clock_hz,
        flash_bytes=report["flash_bytes"],
        reserved_ram_bytes=report["ram_bytes"],
        predicted=firmware.expected.to_json() if firmware.expected.is_told else None,
    )


def _warn_of_time(job: Job, board: Board) -> None:
    """Where an emulator counts neither instructions nor the board's time."""
    emulator = board.emulator
    if not job.settings.device.is_named and emulator is not None and emulator.kind == "qemu-user":
        job.reporter.warn(
            f"{emulator.machine} has no clock of {board.name}: nanoseconds are this computer's. Name the "
            "board with --target to measure there; `edgekit estimate` tells the instructions of its core"
        )


def _verify(job: Job, board: Board, firmware: Firmware) -> tuple[list[Int8Array], Verdict]:
    """One of the inputs, and the verdict on all of them."""
    from edgekit.engines import deployed_graph
    from edgekit.golden import open_golden
    from edgekit.verification.vectors import noise_vectors
    from edgekit.verification.verify import Expectation, compute_reference, verify

    graph = firmware.model.graph
    vectors = noise_vectors(graph, NOISE_INPUTS, job.settings.seed)
    deployed = deployed_graph(firmware.engine, graph).graph
    golden = open_golden(firmware.model.data, graph)
    reference = compute_reference(graph, golden, [], vectors, deployed)
    with open_device(job, board, _unless_at_port(job, firmware)) as device:
        expected = Expectation(board.name, "measured")
        verdict = verify(device, graph, reference, expected, layer_check_inputs=LAYER_INPUTS)
    return list(vectors.one(0)), verdict


def _count(
    job: Job, board: Board, firmware: Firmware, inputs: list[Int8Array]
) -> tuple[str, int, list[int | None]]:
    """What is counted, for one inference and for each operator."""
    from edgekit.device.emulators import counts_instructions, instructions, open_emulator

    emulated = not job.settings.device.is_named and board.emulator is not None
    counts = emulated and counts_instructions(board)
    transport = open_emulator(board, firmware.image, count_instructions=True) if counts else None
    with (
        Device(transport)
        if transport is not None
        else open_device(job, board, _unless_at_port(job, firmware))
    ) as device:
        unit = "instructions" if counts else device.info().tick_unit.name.lower()
        if unit == "none":
            raise UsageError(
                f"{board.name} counts neither instructions nor time, so nothing can be measured."
            )
        ticks = device.run(inputs).ticks
        # Layers of a streamed input can be looked at on inputs that the device makes itself.
        stimulus = GeneratedInput(0) if device.info().input_streamed else inputs
        by_op = {profile.op_index: profile for profile in device.profile(stimulus)}
    measured = [by_op[op.index] for op in firmware.model.graph.ops]
    layers = [profile.ticks if profile.size_bytes else None for profile in measured]
    if not counts:
        return unit, ticks, layers
    in_instructions = [None if value is None else instructions(board, value) for value in layers]
    return unit, instructions(board, ticks), in_instructions


def _unless_at_port(job: Job, firmware: Firmware) -> Firmware | None:
    return None if job.settings.device.is_named else firmware
