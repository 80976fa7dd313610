"""Runs the same vectors on the device and on the golden, and judges."""

from __future__ import annotations

import statistics
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.device.device import Device, GeneratedInput, Stimulus
from edgekit.device.generator import generate_inputs
from edgekit.device.messages import DeviceInfo, TensorInfo, TickUnit
from edgekit.errors import DeviceError, ModelError, WrongModelError
from edgekit.golden import Interpreter, RefusedInterpreter
from edgekit.graph.executor import execute, execute_all
from edgekit.graph.ir import Graph, Int8Array, Op, Tensor
from edgekit.graph.litert import with_single_rounding
from edgekit.verification.accuracy import confusion_matrix
from edgekit.verification.judgement import (
    DEFAULT_TOLERANCE,
    Tolerance,
    agreement,
    judge_by_tolerance,
    judge_rounding,
)
from edgekit.verification.vectors import Vectors
from edgekit.verification.verdict import (
    FEW_DISTINCT_OUTPUTS,
    Accuracy,
    Comparator,
    Difference,
    ElementDifference,
    InterpreterIdentity,
    Judgement,
    Latency,
    LayerCheck,
    LayerDifference,
    Verdict,
)

Progress = Callable[[int, int], None]

# EK_ERR_ARENA of ek_model.h.
_ARENA_STATUS = -1


@dataclass(frozen=True)
class Reference:
    """What the golden says about the vectors, computed before any device is asked.

    ``graphs`` are those that a device may run: each has the model's outputs, but not every layer of the
    model, or not every channel.
    """

    vectors: Vectors
    outputs: tuple[Int8Array, ...]
    golden: InterpreterIdentity
    comparators: tuple[Comparator, ...]
    graphs: tuple[Graph, ...]


def compute_reference(
    graph: Graph,
    golden: Interpreter,
    comparators: Sequence[Interpreter | RefusedInterpreter],
    vectors: Vectors,
    deployed: Graph | None = None,
) -> Reference:
    """Outputs of the golden on all vectors, agreed to by the NumPy executor, with the comparators beside.

    ``deployed`` is ``graph`` after passes that change no byte, which the device may run in its place.
    Raises ModelError when golden and NumPy executor disagree, or both graphs: then no device can be judged.
    """
    outputs = tuple(golden.run(vectors.inputs))
    executed = execute(graph, vectors.inputs)
    disagreeing = _differing_inputs(outputs, executed)
    if len(disagreeing):
        raise ModelError(
            f"{golden.name} {golden.version} and edgekit's own executor disagree on {len(disagreeing)} of "
            f"{len(vectors)} inputs of {graph.name}, so no device can be judged by them. This is a defect of "
            "edgekit or of that interpreter's version: please report it with the model."
        )
    if deployed is not None and deployed is not graph:
        changed = _differing_inputs(outputs, execute(deployed, vectors.inputs))
        if changed:
            raise ModelError(
                f"edgekit's passes changed the outputs of {graph.name} on {len(changed)} of {len(vectors)} "
                "inputs. This is a defect of edgekit: please report it with the model, and build with "
                "--no-passes."
            )
    compared = tuple(_compare(comparator, vectors, outputs) for comparator in comparators)
    identity = InterpreterIdentity(golden.name, golden.version, golden.independent, golden.note)
    graphs = (graph,) if deployed is None or deployed is graph else (deployed, graph)
    return Reference(vectors, outputs, identity, compared, graphs)


@dataclass(frozen=True)
class Expectation:
    """Who must be at the other end: the board's name, and engine and kernels where the user chose them.

    ``where`` ("emulated by QEMU", "at /dev/ttyUSB0") and ``image_sha256`` (of the image that is emulated)
    are for the verdict.
    """

    board: str
    where: str
    engine: str | None = None
    image_sha256: str | None = None
    kernels: str | None = None


def verify(
    device: Device,
    graph: Graph,
    reference: Reference,
    expected: Expectation,
    class_names: Sequence[str] = (),
    layer_check_inputs: int = 4,
    progress: Progress = lambda done, total: None,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
) -> Verdict:
    """The verdict on ``device``, which must run the model of ``graph``.

    ``layer_check_inputs`` vectors, spread evenly, are also compared layer by layer through digests; as many
    inputs that the device makes itself where it takes its input row by row.
    ``tolerance`` is granted to fast kernels of the engine litert.
    Raises WrongModelError before any vector is sent when the device runs another model, DeviceError
    when it is another board, contradicts the model or itself, or when the link fails.
    """
    info = check_identity(device, graph, expected)
    actual, ticks = _run_all(device, reference.vectors, progress)
    differing = _differing_inputs(reference.outputs, actual)
    layer_check = _check_layers(device, reference.graphs, reference.vectors, layer_check_inputs)
    exact = not differing and (layer_check is None or layer_check.first_difference is None)
    first = _first_difference(device, graph, reference, actual, differing) if differing else None
    distinct = min(_distinct(output) for output in actual)
    status = device.status()
    return Verdict(
        exact=exact,
        conclusive=distinct > FEW_DISTINCT_OUTPUTS,
        inputs=len(reference.vectors),
        distinct_outputs=distinct,
        differing_inputs=len(differing),
        first_difference=first,
        layer_check=layer_check,
        accuracy=_accuracy(reference, actual, class_names),
        latency=_latency(info, ticks),
        engine=info.engine,
        board=info.board,
        where=expected.where,
        firmware_version=info.firmware_version,
        image_sha256=expected.image_sha256,
        model_name=info.model_name,
        model_sha256=info.model_sha256,
        golden=reference.golden,
        comparators=reference.comparators,
        arena_used_bytes=status.arena_used_bytes,
        stack_used_bytes=status.stack_used_bytes,
        link=device.statistics,
        warnings=_warnings(distinct, reference, layer_check),
        judgement=None if exact else _judge(device, graph, reference, actual, layer_check_inputs, tolerance),
    )


def _judge(
    device: Device,
    graph: Graph,
    reference: Reference,
    actual: Sequence[Int8Array],
    layer_check_inputs: int,
    tolerance: Tolerance,
) -> Judgement | None:
    """How a device that is not bit-exact is judged; None where its engine has to be."""
    info = device.info()
    if info.engine_name != "litert":
        return None
    found = agreement(reference.outputs, actual)
    if info.kernels != "reference":
        return judge_by_tolerance(found, tolerance)
    rounded = with_single_rounding(graph)
    layers = _check_layers(device, (rounded,), reference.vectors, layer_check_inputs)
    explained = not _differing_inputs(execute(rounded, reference.vectors.inputs), actual)
    explained = explained and (layers is None or layers.first_difference is None)
    return judge_rounding(found, explained=explained, layers=layers)


def check_identity(device: Device, graph: Graph, expected: Expectation) -> DeviceInfo:
    """What the device says about itself, which must be what is expected. Sends no vector.

    Raises WrongModelError where it runs another model, DeviceError where it is another board or engine,
    describes its model wrongly, or could not prepare it.
    """
    info = device.info()
    if info.model_sha256 != graph.sha256:
        raise WrongModelError(graph.sha256, info.model_sha256)
    if info.board != expected.board:
        raise DeviceError(
            f"the device says that it is the board '{info.board}', not '{expected.board}'. "
            "Name the right board with --board, or the right port with --port."
        )
    if expected.engine not in {None, info.engine_name}:
        raise DeviceError(
            f"the device runs the engine '{info.engine}', not '{expected.engine}'. "
            "Build the firmware with that engine and flash it, or leave --engine out."
        )
    if expected.kernels not in {None, info.kernels}:
        raise DeviceError(
            f"the device runs the engine '{info.engine}', not {expected.kernels} kernels. "
            "Build the bundle with those and flash it, or leave --kernels out."
        )
    inputs, outputs = (
        [graph.tensors[index] for index in indices] for indices in (graph.inputs, graph.outputs)
    )
    reported = (_described(info.inputs), _described(info.outputs), info.op_count)
    wanted = (_described(inputs), _described(outputs), graph.ops[-1].index + 1)
    if reported != wanted:
        raise DeviceError(
            f"the device describes its model as {reported}, but it is {wanted} (shape, scale and zero point "
            "of inputs and outputs, number of operators). Build the firmware again and flash it."
        )
    _check_ready(device, info)
    return info


def _check_ready(device: Device, info: DeviceInfo) -> None:
    """Raises DeviceError where the engine could not prepare the model, saying why."""
    status = device.status().model_status
    if status == _ARENA_STATUS:
        raise DeviceError(
            f"the device's arena of {info.arena_bytes:,} bytes is too small for {info.model_name}. Build the "
            "firmware with a larger --arena, or without one for an arena that suffices, and flash it."
        )
    if status != 0:
        raise DeviceError(
            f"the device's engine, {info.engine}, refuses {info.model_name} (ek_status {status}). "
            "Build the firmware again and flash it; try --engine aot where that lasts."
        )


def _described(tensors: Sequence[Tensor | TensorInfo]) -> list[tuple[tuple[int, ...], float, int]]:
    # A scale travels as float32, in which the .tflite has it, too.
    return [(tensor.shape or (1,), float(np.float32(tensor.scale)), tensor.zero_point) for tensor in tensors]


def _distinct(output: Int8Array) -> int:
    return len({one.tobytes() for one in output})


def _run_all(device: Device, vectors: Vectors, progress: Progress) -> tuple[tuple[Int8Array, ...], list[int]]:
    outputs: list[Sequence[Int8Array]] = []
    ticks: list[int] = []
    for index in range(len(vectors)):
        result = device.run(vectors.one(index))
        outputs.append(result.outputs)
        ticks.append(result.ticks)
        progress(index + 1, len(vectors))
    return tuple(np.concatenate(column) for column in zip(*outputs, strict=True)), ticks


def _differing_inputs(expected: Sequence[Int8Array], actual: Sequence[Int8Array]) -> list[int]:
    """Indices of the vectors for which any byte of any output differs."""
    differs = np.zeros(len(expected[0]), dtype=bool)
    for one, other in zip(expected, actual, strict=True):
        differs |= (one != other).reshape(len(one), -1).any(axis=1)
    return [int(index) for index in np.flatnonzero(differs)]


def _compare(
    comparator: Interpreter | RefusedInterpreter, vectors: Vectors, outputs: Sequence[Int8Array]
) -> Comparator:
    if isinstance(comparator, RefusedInterpreter):
        return Comparator(comparator.name, comparator.version, refused=comparator.reason)
    theirs = comparator.run(vectors.inputs)
    largest = max(
        int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max(initial=0))
        for one, other in zip(outputs, theirs, strict=True)
    )
    return Comparator(comparator.name, comparator.version, len(_differing_inputs(outputs, theirs)), largest)


def _element_difference(name: str, expected: Int8Array, actual: Int8Array) -> ElementDifference:
    element = int(np.flatnonzero(expected.ravel() != actual.ravel())[0])
    return ElementDifference(name, element, int(expected.ravel()[element]), int(actual.ravel()[element]))


@dataclass(frozen=True)
class _Sample:
    """Inputs on which layers are looked at: what the device is given, and the same as arrays."""

    stimulus: Stimulus
    inputs: Sequence[Int8Array]


def _samples(device: Device, graph: Graph, vectors: Vectors, count: int) -> list[_Sample]:
    """Up to ``count`` of ``vectors``, spread evenly over all; where the device takes its input row by row, as
    many inputs that it makes itself: it uses up what is written to it before anyone can look.
    """
    if device.info().input_streamed:
        shapes = [graph.tensors[index].shape for index in graph.inputs]
        return [_Sample(GeneratedInput(seed), generate_inputs(seed, shapes)) for seed in range(count)]
    chosen = sorted({index * len(vectors) // count for index in range(min(count, len(vectors)))})
    return [_Sample(vectors.one(index), vectors.one(index)) for index in chosen]


def _check_layers(device: Device, graphs: Sequence[Graph], vectors: Vectors, count: int) -> LayerCheck | None:
    """Digests of all materialised layers on up to ``count`` inputs (see :func:`_samples`).

    They are those of the first of ``graphs`` that can be what the device runs.
    """
    if count == 0:
        return None
    samples = _samples(device, graphs[0], vectors, count)
    graph = _running(device, graphs, samples[0].stimulus) if len(graphs) > 1 else graphs[0]
    operators, first = len(graph.ops), None
    for sample in samples:
        first, compared = _first_differing_layer(device, graph, sample)
        operators = min(operators, compared)
        if first is not None:
            break
    return LayerCheck(len(samples), operators, len(graph.ops), first, device.info().input_streamed)


def _running(device: Device, graphs: Sequence[Graph], stimulus: Stimulus) -> Graph:
    """The first of ``graphs`` that has all the layers that the device has, in their sizes; else the first."""
    sizes = {profile.op_index: profile.size_bytes for profile in device.profile(stimulus)}
    for graph in graphs:
        own = {op.index: graph.tensors[op.output].size_bytes for op in graph.ops}
        if all(size in {0, own.get(index, 0)} for index, size in sizes.items()):
            return graph
    return graphs[0]


def _first_differing_layer(
    device: Device, graph: Graph, sample: _Sample
) -> tuple[LayerDifference | None, int]:
    """The first operator whose digest differs on ``sample``, and how many operators were comparable."""
    expected = execute_all(graph, sample.inputs)
    profiles = {profile.op_index: profile for profile in device.profile(sample.stimulus)}
    compared = 0
    for op in graph.ops:
        profile, tensor = profiles[op.index], expected[op.output]
        if profile.size_bytes not in {0, tensor.size}:
            raise DeviceError(
                f"the device says that operator {op.index} ({op.opcode}) writes {profile.size_bytes} bytes; "
                f"the model has {tensor.size} there. Build the firmware again and flash it."
            )
        if profile.size_bytes == 0:
            continue
        compared += 1
        if zlib.crc32(tensor.tobytes()) != profile.output_crc32:
            return _layer_difference(device, graph, op, sample.stimulus, tensor), compared
    return None, compared


def _layer_difference(
    device: Device, graph: Graph, op: Op, stimulus: Stimulus, expected: Int8Array
) -> LayerDifference:
    """Where the output of ``op`` differs, from the tensor itself."""
    actual = device.op_output(op.index, stimulus)
    if actual is None or actual.size != expected.size or np.array_equal(actual, expected.ravel()):
        raise DeviceError(
            f"the device's digest of operator {op.index} ({op.opcode}) differs, but its bytes do not: "
            "the device does not compute the same twice. Check its power supply and memory."
        )
    name = graph.tensors[op.output].name
    return LayerDifference(op.index, op.opcode, _element_difference(name, expected, actual))


def _first_difference(
    device: Device, graph: Graph, reference: Reference, actual: Sequence[Int8Array], differing: Sequence[int]
) -> Difference:
    index = differing[0]
    inputs = reference.vectors.one(index)
    layer = None
    if not device.info().input_streamed:
        running = _running(device, reference.graphs, inputs)
        layer, _ = _first_differing_layer(device, running, _Sample(inputs, inputs))
    position = next(
        position
        for position, (one, other) in enumerate(zip(reference.outputs, actual, strict=True))
        if not np.array_equal(one[index], other[index])
    )
    name = graph.tensors[graph.outputs[position]].name
    output = _element_difference(name, reference.outputs[position][index], actual[position][index])
    return Difference(index, reference.vectors.origins[index], output, layer)


def _accuracy(
    reference: Reference, actual: Sequence[Int8Array], class_names: Sequence[str]
) -> Accuracy | None:
    labels = np.asarray(reference.vectors.labels, dtype=np.int64)
    if not len(labels):
        return None
    count = len(labels)
    predicted = actual[0][:count].reshape(count, -1).argmax(axis=1)
    golden_predicted = reference.outputs[0][:count].reshape(count, -1).argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, actual[0][0].size)
    return Accuracy(
        pictures=count,
        device_correct=int((predicted == labels).sum()),
        golden_correct=int((golden_predicted == labels).sum()),
        class_names=tuple(class_names) or tuple(str(index) for index in range(len(confusion))),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
    )


def _latency(info: DeviceInfo, ticks: Sequence[int]) -> Latency | None:
    if info.tick_unit is TickUnit.NONE or not any(ticks):
        return None
    median = int(statistics.median(ticks))
    seconds = info.seconds(median)
    milliseconds = None if seconds is None else 1000 * seconds
    return Latency(info.tick_unit.name.lower(), len(ticks), min(ticks), median, max(ticks), milliseconds)


def _warnings(distinct: int, reference: Reference, layer_check: LayerCheck | None) -> tuple[str, ...]:
    warnings = []
    if not reference.golden.independent:
        warnings.append(f"the golden is edgekit's own executor: {reference.golden.note}")
    elif reference.golden.note is not None:
        warnings.append(reference.golden.note)
    if distinct == 1:
        warnings.append(
            f"the model answers the same to all {len(reference.vectors)} inputs, so equality proves nothing. "
            "If it should not, train it longer or on more pictures."
        )
    elif distinct <= FEW_DISTINCT_OUTPUTS:
        layers = (
            " Every layer's digest agrees, though, on the inputs where it was taken."
            if layer_check is not None and layer_check.complete
            else ""
        )
        warnings.append(
            f"only {distinct} distinct outputs over {len(reference.vectors)} inputs: equality of outputs "
            f"alone proves little here. Give real pictures with --data.{layers}"
        )
    if layer_check is not None and layer_check.operators == 0:
        warnings.append("the device shows no layer's output, so only the model's outputs were compared.")
    return tuple(warnings)
