"""A firmware project as a value: its files and how they become an image. Writing it is separate."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgekit.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """How a project is compiled; every path is relative to the project's folder.

    ``linker_script`` is None for a program of an operating system; otherwise the image is
    freestanding and starts at the script's entry. ``defines`` are ``NAME`` or ``NAME=VALUE``.
    """

    sources: tuple[str, ...]
    include_folders: tuple[str, ...]
    defines: tuple[str, ...] = ()
    linker_script: str | None = None


@dataclass(frozen=True)
class Project:
    """``files`` maps relative POSIX paths to contents; ``executables`` are those a person may run."""

    name: str
    files: Mapping[str, bytes]
    recipe: Recipe
    executables: frozenset[str] = frozenset()


def write_project(project: Project, folder: Path) -> tuple[Path, ...]:
    """Writes the files that differ from what ``folder`` holds, each to a temporary name first.

    Returns the paths written. Raises UsageError for a path that would leave ``folder``, before
    anything is written, and where the folder cannot be written.
    """
    targets = {name: _target(folder, name) for name in project.files}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in targets.items():
            mode = 0o755 if name in project.executables else 0o644
            if _write_if_changed(target, project.files[name], mode, folder):
                written.append(target)
    except OSError as error:
        raise UsageError(
            f"cannot write the project to {folder}: {error.strerror} ({error.filename})."
        ) from error
    return tuple(written)


def _target(folder: Path, name: str) -> Path:
    relative = PurePosixPath(name)
    if not name or relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise UsageError(f"the project has a file '{name}', which is not a relative path inside its folder.")
    return folder.joinpath(*relative.parts)


def _write_if_changed(target: Path, content: bytes, mode: int, folder: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{target.parent} is a link that leads out of the project's folder {folder}.")
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        return False
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    return True
