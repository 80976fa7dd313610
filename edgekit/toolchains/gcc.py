"""GCC: bare-metal cross compilers for microcontrollers, the system's C compiler for this computer."""

from __future__ import annotations

import shutil

from edgekit.errors import ToolchainError
from edgekit.toolchains.cores import Core
from edgekit.toolchains.toolchain import Toolchain, first_line_of

_HOW_TO_GET = {
    "arm-none-eabi-gcc": (
        "Install it (Debian, Ubuntu: `apt install gcc-arm-none-eabi`; macOS: "
        "`brew install --cask gcc-arm-embedded`)"
    ),
    "riscv64-unknown-elf-gcc": ("Install it (Debian, Ubuntu: `apt install gcc-riscv64-unknown-elf`)"),
    "cc": "Install a C compiler (Debian, Ubuntu: `apt install gcc libc6-dev`; macOS: Xcode's tools)",
}


def gcc_toolchain(core: Core) -> Toolchain:
    """The GCC for ``core``. Raises ToolchainError where it is missing or has no such target."""
    if core.gcc is None:
        raise ToolchainError(f"no gcc is set up here for {core.name}; use zig: `pip install 'edgekit[zig]'`.")
    executable = shutil.which(core.gcc)
    if executable is None:
        raise ToolchainError(
            f"{core.gcc}, which compiles the firmware, is not on PATH. {_HOW_TO_GET[core.gcc]}, "
            "or use zig: `pip install 'edgekit[zig]'`."
        )
    return Toolchain("gcc", first_line_of((executable, "-dumpfullversion")), (executable,))
