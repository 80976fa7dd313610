"""``edgekit doctor``."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata

import click

from edgekit.cli.options import json_option


@dataclass(frozen=True)
class Check:
    """One thing that a stage may need: whether it is here, and what to do where it is not."""

    name: str
    needed_for: str
    found: str | None
    advice: str


# (distribution, what it is for, how to get it)
_PACKAGES = (
    ("tensorflow", "train, quantize", 'pip install "edgekit[train]"'),
    (
        "tflite_micro",
        "golden (the arbiter)",
        "wheels exist for Linux on x86-64; elsewhere the NumPy executor judges",
    ),
    ("ai-edge-litert", "reading models, comparator", 'pip install "edgekit"'),
    ("tflite-runtime", "comparator", "optional; needs numpy below 2, so an environment of its own"),
    ("ziglang", "build for every board", 'pip install "edgekit[zig]"'),
    ("unicorn", "emulated boards virt-*", 'pip install "edgekit[emulator]"'),
)

# (program, what it is for, how to get it)
_PROGRAMS = (
    ("arm-none-eabi-gcc", "build with --toolchain gcc", "Debian, Ubuntu: apt install gcc-arm-none-eabi"),
    ("qemu-system-arm", "emulated boards mps2-*", "Debian, Ubuntu: apt install qemu-system-arm"),
    ("qemu-aarch64", "emulated rpi4", "Debian, Ubuntu: apt install qemu-user"),
    ("ssh", "flash to rpi4", "Debian, Ubuntu: apt install openssh-client"),
    ("scp", "flash to rpi4", "Debian, Ubuntu: apt install openssh-client"),
)


@click.command()
@json_option
def doctor(json_output: bool) -> None:
    """Say what is installed, what is missing, and how to get it."""
    from edgekit.reporting import Reporter

    checks = [
        _python(),
        *(_package(*row) for row in _PACKAGES),
        *(_program(*row) for row in _PROGRAMS),
        _ports(),
    ]
    if json_output:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
        return
    rows = [
        (check.name, check.needed_for, check.found or "missing", "" if check.found else check.advice)
        for check in checks
    ]
    Reporter().table(("what", "needed for", "found", "how to get it"), rows)


def _python() -> Check:
    return Check("python", "everything", sys.version.split()[0], "")


def _package(distribution: str, needed_for: str, advice: str) -> Check:
    try:
        found: str | None = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        found = None
    return Check(distribution, needed_for, found, advice)


def _program(program: str, needed_for: str, advice: str) -> Check:
    return Check(program, needed_for, shutil.which(program), advice)


def _ports() -> Check:
    from serial.tools import list_ports

    ports = ", ".join(sorted(port.device for port in list_ports.comports()))
    return Check("serial ports", "flash, verify on real boards", ports or None, "connect a board")
