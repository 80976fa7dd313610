"""From the float network to the int8 model: ``out/model/model.tflite`` and ``quantization.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgekit.errors import UsageError
from edgekit.files import write_atomically
from edgekit.graph.ir import Graph
from edgekit.stages.job import PREDECESSOR, Job, run_stage, sources_digest, versions
from edgekit.stages.train import TRAINING_REPORT, data_identity, train
from edgekit.workspace import read_json, sha256_of_file, write_json

INT8_MODEL = "model.tflite"
QUANTIZATION_REPORT = "quantization.json"


@dataclass(frozen=True)
class Int8Model:
    """A full-int8 model: the file's bytes and what they mean. ``class_names`` is empty for a model of
    the user's own; ``trained_here`` says which it is.
    """

    data: bytes
    graph: Graph
    class_names: tuple[str, ...]
    trained_here: bool


def obtain_model(job: Job) -> Int8Model:
    """The user's own .tflite where the settings name one, else the workspace's, made where needed."""
    from edgekit.graph.tflite import read_tflite

    own = job.settings.model.file
    path = quantize(job) if own is None else job.workspace.root / own
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the model {path}: {error.strerror}.") from error
    name = job.settings.name if own is None else path.stem
    names = (
        tuple(read_json(job.workspace.model_folder / TRAINING_REPORT)["class_names"]) if own is None else ()
    )
    return Int8Model(data, read_tflite(data, name), names, own is None)


def quantize(job: Job) -> Path:
    """The workspace's int8 model file, made now unless nothing changed since it was."""
    float_model = train(job)
    folder = job.workspace.model_folder
    inputs = {
        PREDECESSOR: sha256_of_file(float_model),
        "data": data_identity(job),
        "quantization": msgspec.to_builtins(job.settings.quantization),
        "seed": job.settings.seed,
        "code": sources_digest("data", "graph", "quantization.py"),
        "versions": versions("tensorflow", "pillow"),
    }
    run_stage(job, "quantize", folder, inputs, lambda: _quantize(job, float_model, folder))
    return folder / INT8_MODEL


def _quantize(job: Job, float_model: Path, folder: Path) -> Iterable[Path]:
    from edgekit.quantization import calibration_images
    from edgekit.quantization import quantize as convert

    dataset = job.dataset
    job.reporter.heading("quantizing to int8")
    calibration = calibration_images(
        dataset.train_images,
        dataset.train_labels,
        job.settings.quantization.calibration_images,
        job.settings.seed,
    )
    data = convert(float_model, calibration, INT8_MODEL)
    report = _compare_accuracy(job, data, folder)
    write_atomically(folder / INT8_MODEL, data)
    write_json(folder / QUANTIZATION_REPORT, {**report, "calibration_pictures": len(calibration)})
    return [folder / INT8_MODEL, folder / QUANTIZATION_REPORT]


def _compare_accuracy(job: Job, data: bytes, folder: Path) -> dict[str, Any]:
    """Float and int8 accuracy side by side on the same test pictures; int8 by the NumPy executor."""
    from edgekit.data.preprocessing import quantize_pixels
    from edgekit.graph.cost import graph_macs
    from edgekit.graph.executor import execute
    from edgekit.graph.tflite import read_tflite
    from edgekit.verification.accuracy import accuracy

    graph = read_tflite(data, job.settings.name)
    pixels = graph.tensors[graph.inputs[0]]
    dataset = job.dataset
    inputs = quantize_pixels(dataset.test_images, pixels.scale, pixels.zero_point)
    scores = execute(graph, [inputs])[0]
    int8_accuracy = accuracy(scores.reshape(len(scores), -1).argmax(axis=1), dataset.test_labels)
    float_accuracy = float(read_json(folder / TRAINING_REPORT)["test_accuracy"])
    job.reporter.say(
        f"accuracy on {len(dataset.test_labels)} test pictures: float {float_accuracy:.3f}, "
        f"int8 {int8_accuracy:.3f}; the model has {len(data):,} bytes and {graph_macs(graph):,} MACs"
    )
    return {
        "test_pictures": len(dataset.test_labels),
        "float_accuracy": float_accuracy,
        "int8_accuracy": int8_accuracy,
        "model_bytes": len(data),
        "macs": graph_macs(graph),
        "operators": [op.opcode for op in graph.ops],
    }
