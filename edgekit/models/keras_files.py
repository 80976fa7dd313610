"""Keras models on disk and at work on uint8 pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data.preprocessing import to_float
from edgekit.errors import ModelError
from edgekit.models.tensorflow_backend import KerasModel, load_keras

MAX_MODEL_BYTES = 1024 * 1024 * 1024

_PREDICTION_BATCH = 256
# What Keras raises on damaged, foreign or unsafe files.
_LOAD_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ImportError,
    RuntimeError,
    zipfile.BadZipFile,
)


def save_model(model: KerasModel, path: Path) -> None:
    """Writes ``model`` as a .keras file; ``path`` changes only when the whole file is written."""
    temporary = path.with_name(f".{path.stem}.writing.keras")
    try:
        model.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_model(path: Path) -> KerasModel:
    """Reads a .keras file in Keras' safe mode, which refuses files that carry code.

    Raises ModelError saying what is wrong with the file.
    """
    _check_archive(path)
    keras = load_keras()
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except _LOAD_ERRORS as error:
        raise ModelError(f"{path} cannot be loaded as a Keras model: {_first_line(error)}") from error
    if not hasattr(model, "input_shape") or not hasattr(model, "output_shape"):
        raise ModelError(f"{path} holds a Keras {type(model).__name__}, not a model.")
    return model


def predict_float(model: KerasModel, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Class probabilities (N, classes) of the float model for pictures (N, H, W, C)."""
    outputs = [
        np.asarray(model.predict_on_batch(to_float(images[start : start + _PREDICTION_BATCH])))
        for start in range(0, len(images), _PREDICTION_BATCH)
    ]
    if not outputs:
        return np.empty((0, int(model.output_shape[-1])), dtype=np.float32)
    return np.concatenate(outputs).astype(np.float32)


def _check_archive(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"there is no Keras model at {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path} is not a .keras file (Keras 3 archive): {error}.") from error
    if not {"config.json", "model.weights.h5"} <= {entry.filename for entry in entries}:
        raise ModelError(f"{path} is a zip archive, but not a .keras file of Keras 3.")
    unpacked_bytes = sum(entry.file_size for entry in entries)
    if unpacked_bytes > MAX_MODEL_BYTES:
        raise ModelError(f"{path} unpacks to {unpacked_bytes:,} bytes; the limit is {MAX_MODEL_BYTES:,}.")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
