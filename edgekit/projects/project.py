"""Writes a firmware project to a folder, and removes what an earlier project left there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from edgekit.errors import UsageError
from edgekit.files import is_inside, write_atomically
from edgekit.firmware_project import Project

WRITTEN_FILES = ".edgekit-files"
"""JSON: for each file that :func:`write_project` put into the folder, the SHA-256 of what it wrote."""


def write_project(project: Project, folder: Path) -> tuple[Path, ...]:
    """Writes the files that differ from what ``folder`` holds, each to a temporary name first.

    Files that an earlier call put there and this project does not have are removed, unless somebody
    changed them since, and so are folders that this leaves empty. Returns the paths written. Raises
    UsageError for a path that would leave ``folder``, before anything is written, and where the folder
    is a link or cannot be written.
    """
    targets = {name: _target(folder, name) for name in project.files}
    if folder.is_symlink():
        raise UsageError(
            f"the project's folder {folder} is a link; remove it, so that edgekit makes a folder."
        )
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left_over(project, folder)
        for name, target in targets.items():
            mode = 0o755 if name in project.executables else 0o644
            if _write_if_changed(target, project.files[name], mode, folder):
                written.append(target)
        digests = {name: _sha256(content) for name, content in sorted(project.files.items())}
        write_atomically(folder / WRITTEN_FILES, json.dumps(digests, indent=1) + "\n")
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
    if not is_inside(target.parent, folder):
        raise UsageError(f"{target.parent} is a link that leads out of the project's folder {folder}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        return False
    write_atomically(target, content, mode)
    return True


def _remove_left_over(project: Project, folder: Path) -> None:
    for name, digest in _written_before(folder).items():
        if name in project.files:
            continue
        try:
            target = _target(folder, name)
        except UsageError:
            continue  # The list was tampered with.
        # No link on the way: behind one may be a file of this very project, or of somebody else.
        linked = target.is_symlink() or target.parent.resolve() != folder.resolve().joinpath(
            *PurePosixPath(name).parts[:-1]
        )
        if not linked and target.is_file() and _sha256(target.read_bytes()) == digest:
            target.unlink()
            _remove_empty_folders(target.parent, folder)


def _remove_empty_folders(innermost: Path, folder: Path) -> None:
    while innermost != folder and not any(innermost.iterdir()):
        innermost.rmdir()
        innermost = innermost.parent


def _written_before(folder: Path) -> Mapping[str, str]:
    """What the list says; nothing where there is none or it is damaged: then nothing is removed."""
    try:
        digests = json.loads((folder / WRITTEN_FILES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
