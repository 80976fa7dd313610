"""A compiler that was found, with the flags that make it compile for one core."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from edgekit.boards import ToolchainName
from edgekit.errors import ToolchainError

_VERSION_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Toolchain:
    """``command`` starts the compiler driver, which compiles and links."""

    name: ToolchainName
    version: str
    command: tuple[str, ...]


def first_line_of(command: tuple[str, ...]) -> str:
    """The first line that ``command`` prints. Raises ToolchainError where it cannot be run."""
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolchainError(f"{command[0]} was found but cannot be run: {error}.") from error
    return completed.stdout.partition("\n")[0].strip()
