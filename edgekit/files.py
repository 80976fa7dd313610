"""Writing files so that nobody ever reads half of one, and nothing is written through a link."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Writes ``data`` (text as UTF-8) to ``path`` whole or not at all, with the permissions ``mode``.

    It is written under a fresh name beside ``path``, then renamed: a link at ``path`` is replaced, what
    it leads to stays as it is.
    """
    content = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def is_inside(path: Path, folder: Path) -> bool:
    """Whether ``path``, with every link followed, lies in ``folder`` (or is it); neither need exist.

    ``folder`` itself may be reached through a link.
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a circle of links: RuntimeError before Python 3.13
        return False
