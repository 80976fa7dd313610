"""From pictures to a float network: ``out/model/float.keras`` and ``training.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgekit.config import BUILT_IN_DATA
from edgekit.errors import InterruptedTrainingError
from edgekit.stages.job import Job, run_stage, sources_digest, versions
from edgekit.training import TrainingProgress, TrainingResult
from edgekit.workspace import read_json, write_json

if TYPE_CHECKING:
    from edgekit.models.architecture import Architecture

FLOAT_MODEL = "float.keras"
TRAINING_REPORT = "training.json"


def train(job: Job) -> Path:
    """The trained network's file, made now unless nothing changed since it was.

    Raises InterruptedTrainingError after Ctrl-C, with the best weights so far saved.
    """
    folder = job.workspace.model_folder
    settings = job.settings
    inputs = {
        "data": data_identity(job),
        "model": msgspec.to_builtins(settings.model),
        "training": msgspec.to_builtins(settings.training),
        "seed": settings.seed,
        "code": sources_digest("data", "models", "training.py"),
        "versions": versions("tensorflow", "keras", "numpy", "pillow"),
    }
    ran = run_stage(job, "train", folder, inputs, lambda: _train(job, folder))
    report = read_json(folder / TRAINING_REPORT)
    if report.get("interrupted") and ran:
        raise InterruptedTrainingError(str(folder / FLOAT_MODEL), report["best_epoch"])
    if report.get("interrupted"):
        job.reporter.warn(
            f"the model is of a training that was interrupted (best epoch {report['best_epoch']}); "
            "`edgekit train --force` trains again"
        )
    return folder / FLOAT_MODEL


def data_identity(job: Job) -> dict[str, Any]:
    """All that decides which pictures a job sees, as plain values."""
    from edgekit.data.folder import digest_of_pictures

    data = msgspec.to_builtins(job.settings.data)
    folder = job.picture_folder()
    digest = BUILT_IN_DATA if folder is None else digest_of_pictures(folder)
    return {**data, "source": digest, "seed": job.settings.seed}


def architecture_of(job: Job, classes: int) -> Architecture:
    """The network that the settings describe, for this many classes."""
    from edgekit.models.families import describe

    model, data = job.settings.model, job.settings.data
    return describe(
        model.family,
        data.image_size,
        data.channels,
        classes,
        alpha=model.alpha,
        depth=model.depth,
        blocks=model.blocks,
    )


def _train(job: Job, folder: Path) -> Iterable[Path]:
    from edgekit.models.keras_files import save_model
    from edgekit.quantization import evaluate_float
    from edgekit.training import train as fit

    model, data = job.settings.model, job.settings.data
    dataset = job.dataset
    architecture = architecture_of(job, len(dataset.class_names))
    job.reporter.heading(
        f"training {model.family} α={model.alpha} on {len(dataset.train_labels)} pictures of "
        f"{len(dataset.class_names)} classes, {data.image_size}×{data.image_size}×{data.channels}"
    )
    with job.reporter.progress("training") as advance:

        def show(progress: TrainingProgress) -> None:
            done = (progress.epoch - 1) * progress.steps_per_epoch + progress.step
            advance(done, progress.epochs * progress.steps_per_epoch)
            if progress.validation_accuracy is not None:
                job.reporter.say(
                    f"  epoch {progress.epoch}/{progress.epochs}: loss {progress.loss:.3f}, accuracy "
                    f"{progress.accuracy:.3f}, validation {progress.validation_accuracy:.3f}"
                )

        result = fit(dataset, architecture, job.settings.training, job.settings.seed, show)
    if result.best_epoch == 0:
        raise KeyboardInterrupt
    accuracy = evaluate_float(result.model, dataset.test_images, dataset.test_labels)
    save_model(result.model, folder / FLOAT_MODEL)
    write_json(folder / TRAINING_REPORT, _report(job, result, accuracy))
    job.reporter.say(f"float accuracy on {len(dataset.test_labels)} test pictures: {accuracy:.3f}")
    return [folder / FLOAT_MODEL, folder / TRAINING_REPORT]


def _report(job: Job, result: TrainingResult, accuracy: float) -> dict[str, Any]:
    dataset = job.dataset
    return {
        "class_names": list(dataset.class_names),
        "train_pictures": result.train_count,
        "validation_pictures": result.validation_count,
        "test_pictures": len(dataset.test_labels),
        "test_accuracy": accuracy,
        "best_epoch": result.best_epoch,
        "interrupted": result.interrupted,
        "history": [asdict(epoch) for epoch in result.history],
    }
