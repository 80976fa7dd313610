"""Compiles C for this machine and for a Cortex-M4, with the compilers that are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgekit.resources import firmware_folder

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
KERNELS = firmware_folder() / "kernels"
INCLUDE = firmware_folder() / "include"
ENGINE = firmware_folder() / "engine" / "aot" / "ek_engine.c"

CORTEX_M4 = {
    "gcc": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"),
    "zig": (
        *(sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"),
        *("-fomit-frame-pointer", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    ),
}


def host_compiler() -> str:
    """The compiler for C that runs here; skips the test where there is none."""
    for name in ("gcc", "clang", "cc"):
        if shutil.which(name):
            return name
    pytest.skip("no C compiler for this machine (gcc, clang or cc)")


def cortex_m4_compiler(name: str) -> tuple[str, ...]:
    """The command that compiles for a Cortex-M4; skips the test where ``name`` is not installed."""
    command = CORTEX_M4[name]
    found = find_spec("ziglang") if name == "zig" else shutil.which(command[0])
    if not found:
        pytest.skip(f"{name} for Cortex-M4 is not installed")
    return command


def compile_program(program: Path, sources: Sequence[Path], flags: Sequence[str] = SANITIZERS) -> Path:
    """Compiles and links ``sources`` for this machine, warnings being errors."""
    command = [host_compiler(), "-std=c11", "-O1", *WARNINGS, *flags, f"-I{INCLUDE}"]
    run([*command, *map(str, sources), "-o", str(program)])
    return program


def compile_object(target: Path, source: Path, flags: Sequence[str] = ()) -> Path:
    """Compiles ``source`` for this machine without linking."""
    command = [host_compiler(), "-std=c11", "-O1", *WARNINGS, *flags, f"-I{INCLUDE}"]
    run([*command, "-c", str(source), "-o", str(target)])
    return target


def run(command: Sequence[str], data: bytes = b"") -> bytes:
    """Standard output of ``command``, which must succeed and print no error."""
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout
