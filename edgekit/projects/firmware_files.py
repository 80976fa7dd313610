"""Chooses the firmware sources that a project needs: those it compiles and the headers these include."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.resources import firmware_folder

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)


def port_sources(target: str) -> tuple[str, ...]:
    """Sources of ``firmware/port/<target>``, sorted. Raises UsageError where there is no such port."""
    folder = firmware_folder() / "port" / target
    sources = sorted(path.name for pattern in ("*.c", "*.cpp") for path in folder.glob(pattern))
    if not sources:
        ports = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
        raise UsageError(f"there is no port '{target}' in firmware/port. There are: {', '.join(ports)}.")
    return tuple(f"port/{target}/{name}" for name in sources)


def link_sources() -> tuple[str, ...]:
    """C sources of the link, with the main() that serves it, sorted."""
    return tuple(f"link/{path.name}" for path in sorted((firmware_folder() / "link").glob("*.c")))


def with_headers(
    sources: Sequence[str], include_folders: Sequence[str], generated: Mapping[str, bytes]
) -> dict[str, bytes]:
    """``sources`` of ``firmware/`` and, transitively, every header of it that they or ``generated`` include.

    Headers are looked for as a compiler does: beside the including file, then in ``include_folders``.
    A header found nowhere here belongs to the toolchain. Paths are relative to ``firmware/``.
    """
    root = firmware_folder()
    files: dict[str, bytes] = {}
    pending = [(name, _read(root, name)) for name in sources] + list(generated.items())
    while pending:
        name, content = pending.pop()
        if name in files:
            continue
        if name not in generated:
            files[name] = content
        for included in _INCLUDE.findall(content):
            header = _find(included.decode(), posixpath.dirname(name), include_folders, root)
            if header is not None and header not in files:
                pending.append((header, _read(root, header)))
    return dict(sorted(files.items()))


def _find(header: str, beside: str, include_folders: Sequence[str], root: Path) -> str | None:
    for folder in (beside, *include_folders):
        candidate = posixpath.normpath(posixpath.join(folder, header))
        if not candidate.startswith("..") and (root / candidate).is_file():
            return candidate
    return None


def _read(root: Path, name: str) -> bytes:
    try:
        return (root / name).read_bytes()
    except OSError as error:
        raise UsageError(
            f"the firmware source {name} is missing ({error.strerror}). Install edgekit again."
        ) from error
