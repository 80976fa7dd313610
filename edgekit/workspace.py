"""Where artefacts lie, and what is up to date.

A workspace is a folder: ``edgekit.toml`` (settings, may be absent), ``boards/`` (the user's own board
profiles, may be absent) and ``out/``, the only part that edgekit writes::

    out/model/      float.keras, training.json, model.tflite, …      manifest.json
    out/<board>/    project/, firmware.elf, verdict.json, …         manifest.json

A manifest records, for each stage run in its folder, what went in (settings, digests of inputs and code,
versions) and the sha256 of what came out. A stage for which all of that is as it was is not run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError
from edgekit.files import is_inside, write_atomically

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Workspace:
    """The folder of one project. Creating the value touches nothing on disk."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """Settings; may be absent."""
        return self.root / "edgekit.toml"

    @property
    def boards_folder(self) -> Path:
        """The user's own board profiles; may be absent."""
        return self.root / "boards"

    @property
    def model_folder(self) -> Path:
        """Artefacts of training and quantization."""
        return self.root / "out" / "model"

    def board_folder(self, board_name: str) -> Path:
        """Artefacts of one board."""
        return self.root / "out" / board_name

    def check(self) -> None:
        """Raises UsageError where there is no such folder."""
        if not self.root.is_dir():
            raise UsageError(f"the workspace {self.root} is not a folder. Create it, or name one with -w.")

    def prepare(self, folder: Path) -> Path:
        """Creates ``folder`` (inside the workspace) where needed and checks that it can be written.

        Raises UsageError when the workspace is missing or not writable, or when a link leads from it
        to somewhere else. The workspace itself may be reached through a link.
        """
        self.check()
        if not is_inside(folder, self.root):
            raise UsageError(
                f"{folder} leads out of the workspace {self.root} through a link, and edgekit writes inside "
                "only. Remove the link, or name the other folder as the workspace."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError(
                f"the workspace folder {folder} cannot be written: {error.strerror}. "
                "Choose another with --workspace, or change its permissions."
            ) from error
        return folder


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as JSON, atomically and in a stable order."""
    write_atomically(path, json.dumps(value, indent=2, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file of the workspace. Raises UsageError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {path}: {error}. Run the stage that writes it with --force."
        ) from error


def sha256_of_file(path: Path) -> str:
    """Digest of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """Digest over the names and bytes of every file below ``folder``, hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = os.fsencode(path.relative_to(folder).as_posix())
        digest.update(name + f"\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def recorded_inputs(folder: Path, stage: str) -> dict[str, Any] | None:
    """What ``stage`` last ran with in ``folder``; None where it has not run, or its outputs were changed."""
    record = _read_manifest(folder).get(stage)
    if not isinstance(record, dict):
        return None
    inputs, outputs = record.get("inputs"), record.get("outputs")
    if not isinstance(inputs, dict) or not isinstance(outputs, dict) or not outputs:
        return None
    intact = all(
        (folder / name).is_file() and sha256_of_file(folder / name) == digest
        for name, digest in outputs.items()
    )
    return inputs if intact else None


def changed_inputs(recorded: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """Names of the inputs that differ from those recorded, such as ``seed`` and ``training.epochs``."""
    return sorted(_differences(recorded, json.loads(json.dumps(inputs))))


def _differences(recorded: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[str]:
    for name in {*recorded, *inputs}:
        before, now = recorded.get(name), inputs.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from (f"{name}.{part}" for part in _differences(before, now))
        elif before != now:
            yield name


def record_stage(folder: Path, stage: str, inputs: Mapping[str, Any], outputs: Iterable[Path]) -> None:
    """Notes in the manifest that ``stage`` made ``outputs`` (files below ``folder``) from ``inputs``."""
    manifest = _read_manifest(folder)
    manifest[stage] = {
        "inputs": dict(inputs),
        "outputs": {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in sorted(outputs)},
    }
    write_json(folder / _MANIFEST, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, or an empty one where there is none or it is damaged (stages then run again)."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}
