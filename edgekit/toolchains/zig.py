"""Zig as a C compiler: one pip package that compiles for every core here."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from edgekit.errors import ToolchainError
from edgekit.toolchains.cores import Core
from edgekit.toolchains.toolchain import Toolchain, first_line_of

ZIG_PACKAGE = "ziglang==0.17.0"
"""The pip package that edgekit[zig] installs; images are the same only with the same version."""


def find_zig() -> Path | None:
    """The zig executable: that of the pip package ``ziglang``, else the one on PATH, else None.

    The package's executable is started directly: ``python -m ziglang`` only starts it in turn.
    """
    package = importlib.util.find_spec("ziglang")
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        for name in ("zig", "zig.exe"):
            executable = Path(folder) / name
            if executable.is_file():
                return executable
    on_path = shutil.which("zig")
    return Path(on_path) if on_path is not None else None


def zig_toolchain(core: Core) -> Toolchain:
    """Zig for ``core``. Raises ToolchainError where zig is missing or has no such target."""
    if core.zig_target is None:
        raise ToolchainError(f"zig does not compile for {core.name}; choose another toolchain.")
    executable = find_zig()
    if executable is None:
        raise ToolchainError(
            "zig, which compiles the firmware, is not installed. Install it with "
            "`pip install 'edgekit[zig]'`, or put zig on PATH (https://ziglang.org/download)."
        )
    version = first_line_of((str(executable), "version"))
    return Toolchain("zig", version, (str(executable), "cc"))
