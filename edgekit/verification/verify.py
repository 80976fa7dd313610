"""Runs the same vectors on the device and on the golden, and judges."""

from __future__ import annotations

import statistics
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.device.device import Device
from edgekit.device.messages import DeviceInfo, TickUnit
from edgekit.errors import DeviceError, ModelError, WrongModelError
from edgekit.golden import Interpreter, RefusedInterpreter
from edgekit.graph.executor import execute, execute_all
from edgekit.graph.ir import Graph, Int8Array
from edgekit.verification.vectors import Vectors
from edgekit.verification.verdict import (
    FEW_DISTINCT_OUTPUTS,
    Accuracy,
    Comparator,
    Difference,
    ElementDifference,
    InterpreterIdentity,
    Latency,
    LayerCheck,
    LayerDifference,
    Verdict,
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reference:
    """What the golden says about the vectors, computed before any device is asked."""

    vectors: Vectors
    outputs: tuple[Int8Array, ...]
    golden: InterpreterIdentity
    comparators: tuple[Comparator, ...]


def compute_reference(
    graph: Graph,
    golden: Interpreter,
    comparators: Sequence[Interpreter | RefusedInterpreter],
    vectors: Vectors,
) -> Reference:
    """Outputs of the golden on all vectors, agreed to by the NumPy executor, with the comparators beside.

    Raises ModelError when golden and NumPy executor disagree: then no device can be judged.
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
    compared = tuple(_compare(comparator, vectors, outputs) for comparator in comparators)
    return Reference(vectors, outputs, InterpreterIdentity(golden.name, golden.version), compared)


def verify(
    device: Device,
    graph: Graph,
    reference: Reference,
    class_names: Sequence[str] = (),
    layer_check_inputs: int = 4,
    progress: Progress = lambda done, total: None,
) -> Verdict:
    """The verdict on ``device``, which must run the model of ``graph``.

    ``layer_check_inputs`` vectors, spread evenly, are also compared layer by layer through digests.
    Raises WrongModelError before any vector is sent when the device runs another model, DeviceError
    when the device or the link fails.
    """
    info = device.info()
    _check_handshake(info, graph)
    actual, ticks = _run_all(device, reference.vectors, progress)
    differing = _differing_inputs(reference.outputs, actual)
    layer_check = _check_layers(device, graph, reference.vectors, layer_check_inputs)
    first = _first_difference(device, graph, reference, actual, differing) if len(differing) else None
    distinct = len({b"".join(output[index].tobytes() for output in actual) for index in range(len(ticks))})
    layers_equal = layer_check is None or layer_check.first_difference is None
    status = device.status()
    return Verdict(
        exact=not len(differing) and layers_equal,
        inputs=len(reference.vectors),
        distinct_outputs=distinct,
        differing_inputs=len(differing),
        first_difference=first,
        layer_check=layer_check,
        accuracy=_accuracy(reference, actual, class_names),
        latency=_latency(info, ticks),
        engine=info.engine,
        board=info.board,
        model_name=info.model_name,
        model_sha256=info.model_sha256,
        golden=reference.golden,
        comparators=reference.comparators,
        arena_used_bytes=status.arena_used_bytes,
        stack_used_bytes=status.stack_used_bytes,
        link=device.statistics,
        warnings=_warnings(distinct, len(reference.vectors), layer_check),
    )


def _check_handshake(info: DeviceInfo, graph: Graph) -> None:
    if info.model_sha256 != graph.sha256:
        raise WrongModelError(graph.sha256, info.model_sha256)
    for role, described, indices in (
        ("input", info.inputs, graph.inputs),
        ("output", info.outputs, graph.outputs),
    ):
        reported = [tensor.shape for tensor in described]
        expected = [graph.tensors[index].shape for index in indices]
        if reported != expected:
            raise DeviceError(
                f"the device reports {role} shapes {reported}, the model has {expected}. "
                "Build the firmware again and flash it."
            )


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


def _check_layers(device: Device, graph: Graph, vectors: Vectors, count: int) -> LayerCheck | None:
    """Digests of all materialised layers on up to ``count`` vectors spread evenly over all."""
    if count == 0:
        return None
    chosen = sorted({index * len(vectors) // count for index in range(min(count, len(vectors)))})
    operators = 0
    for index in chosen:
        inputs = vectors.one(index)
        first, operators = _first_differing_layer(device, graph, inputs)
        if first is not None:
            return LayerCheck(len(chosen), operators, first)
    return LayerCheck(len(chosen), operators, None)


def _first_differing_layer(
    device: Device, graph: Graph, inputs: Sequence[Int8Array]
) -> tuple[LayerDifference | None, int]:
    """The first operator whose digest differs on ``inputs``, and how many operators were comparable."""
    expected = execute_all(graph, inputs)
    ops = {op.index: op for op in graph.ops}
    profiles = [profile for profile in device.profile(inputs) if profile.size_bytes]
    for profile in profiles:
        op = ops[profile.op_index]
        tensor = expected[op.output]
        if zlib.crc32(tensor.tobytes()) == profile.output_crc32:
            continue
        actual = device.op_output(profile.op_index, inputs)
        name = graph.tensors[op.output].name
        if actual is None or np.array_equal(actual, tensor.ravel()):
            raise DeviceError(
                f"the device's digest of operator {op.index} ({op.opcode}) differs, but its bytes do not: "
                "the device does not compute the same twice. Check its power supply and memory."
            )
        return LayerDifference(op.index, op.opcode, _element_difference(name, tensor, actual)), len(profiles)
    return None, len(profiles)


def _first_difference(
    device: Device, graph: Graph, reference: Reference, actual: Sequence[Int8Array], differing: Sequence[int]
) -> Difference:
    index = differing[0]
    layer, _ = _first_differing_layer(device, graph, reference.vectors.one(index))
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
    scores = actual[0][: len(labels)].reshape(len(labels), -1)
    golden_scores = reference.outputs[0][: len(labels)].reshape(len(labels), -1)
    predicted = scores.argmax(axis=1)
    classes = scores.shape[1]
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Accuracy(
        pictures=len(labels),
        device_correct=int((predicted == labels).sum()),
        golden_correct=int((golden_scores.argmax(axis=1) == labels).sum()),
        class_names=tuple(class_names) or tuple(str(index) for index in range(classes)),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
    )


def _latency(info: DeviceInfo, ticks: Sequence[int]) -> Latency | None:
    if info.tick_unit is TickUnit.NONE or not any(ticks):
        return None
    median = int(statistics.median(ticks))
    seconds = info.seconds(median)
    milliseconds = None if seconds is None else 1000 * seconds
    return Latency(info.tick_unit.name.lower(), min(ticks), median, max(ticks), milliseconds)


def _warnings(distinct: int, inputs: int, layer_check: LayerCheck | None) -> tuple[str, ...]:
    warnings = []
    if distinct < min(FEW_DISTINCT_OUTPUTS, inputs):
        layers = (
            f" The digests of {layer_check.operators} layers on {layer_check.inputs} inputs agree, though."
            if layer_check is not None and layer_check.operators and layer_check.first_difference is None
            else ""
        )
        warnings.append(
            f"only {distinct} distinct outputs over {inputs} inputs: equality of outputs alone proves little "
            f"here. Give real pictures with --data.{layers}"
        )
    return tuple(warnings)
