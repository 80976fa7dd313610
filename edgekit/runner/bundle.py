"""What a bundle holds beside this package: the model, its labels, and what was decided when it was built.

A bundle is a folder or a zip archive; ``python3 BUNDLE`` runs either.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

SETTINGS_FILE = "model/bundle.json"
MODEL_FILE = "model/model.tflite"
KERNELS = ("reference", "fast")


class BundleError(Exception):
    """The bundle, or what it needs on this computer, is not usable. The message says what to do."""


def install_hint() -> str:
    """How to get what a bundle needs, for the Python that runs this one."""
    return (
        f"The Python that runs this is {sys.executable}; a bundle needs NumPy and tflite-runtime or "
        "ai-edge-litert. Install them into an environment of its own: python3 -m venv ~/.edgekit/python && "
        "~/.edgekit/python/bin/pip install -r requirements.txt (the file is in the project's folder)."
    )


@dataclass(frozen=True)
class Bundle:
    """``op_outputs`` has, for each operator of the model, the index of the tensor that it writes."""

    model: bytes
    model_sha256: bytes
    model_name: str
    board: str
    firmware_version: str
    kernels: str
    op_outputs: tuple[int, ...]


def this_bundle() -> Bundle:
    """The bundle that this package lies in."""
    return read_bundle(Path(__file__).resolve().parent.parent)


def read_bundle(root: Path) -> Bundle:
    """The bundle in the folder or archive ``root``. Raises BundleError where something is missing or
    where the model is not the one that the bundle was built for.
    """
    try:
        settings = json.loads(_read(root, SETTINGS_FILE))
        model = _read(root, MODEL_FILE)
        bundle = Bundle(
            model=model,
            model_sha256=hashlib.sha256(model).digest(),
            model_name=str(settings["model_name"]),
            board=str(settings["board"]),
            firmware_version=str(settings["firmware_version"]),
            kernels=str(settings["kernels"]),
            op_outputs=tuple(int(index) for index in settings["op_outputs"]),
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BundleError(f"{root} is no complete bundle: {error!r}. Build it again.") from error
    if bundle.model_sha256.hex() != settings.get("model_sha256"):
        raise BundleError(
            f"{MODEL_FILE} was changed since this bundle was built. Build it again from the model."
        )
    if bundle.kernels not in KERNELS:
        raise BundleError(f"{SETTINGS_FILE} asks for {bundle.kernels!r} kernels; there are {KERNELS}.")
    return bundle


def _read(root: Path, name: str) -> bytes:
    if root.is_dir():
        return (root / name).read_bytes()
    with zipfile.ZipFile(root) as archive:
        return archive.read(name)
