"""``edgekit doctor``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import groupby

import click

from edgekit.cli.options import json_option


@dataclass(frozen=True)
class Check:
    """One thing that a stage may need: whether it is here, and what to do where it is not.

    ``group`` is what it belongs to: a part of edgekit's work, or the framework of a board's projects as
    board profiles name it.
    """

    group: str
    name: str
    needed_for: str
    found: str | None
    advice: str


# (group, distribution, what it is for, how to get it)
_PACKAGES = (
    ("training", "tensorflow", "train, quantize", 'pip install "edgekit[train]"'),
    (
        "golden",
        "tflite_micro",
        "verify: the arbiter",
        "wheels exist for Linux on x86-64; elsewhere the NumPy executor judges",
    ),
    ("golden", "ai-edge-litert", "reading models, comparator", 'pip install "edgekit"'),
    (
        "golden",
        "tflite-runtime",
        "comparator",
        "optional; needs numpy below 2, so an environment of its own",
    ),
    ("baremetal, linux", "ziglang", "build, without an SDK", 'pip install "edgekit[zig]"'),
    ("emulators", "unicorn", "emulated boards virt-*", 'pip install "edgekit[emulator]"'),
    ("flashing", "esptool", "flash to Espressif's boards", 'pip install "edgekit[esp]"'),
    ("flashing", "pyocd", "flash through a debug probe", 'pip install "edgekit[probe]"'),
)

# (group, program, what it is for, how to get it)
_PROGRAMS = (
    (
        "baremetal, linux",
        "arm-none-eabi-gcc",
        "build with --toolchain gcc",
        "Debian, Ubuntu: apt install gcc-arm-none-eabi",
    ),
    (
        "emulators",
        "qemu-system-arm",
        "emulated boards mps2-*, mps3-*, stm32f405",
        "Debian, Ubuntu: apt install qemu-system-arm",
    ),
    (
        "emulators",
        "qemu-system-riscv32",
        "emulated board qemu-rv32",
        "Debian, Ubuntu: apt install qemu-system-misc",
    ),
    ("emulators", "qemu-aarch64", "emulated Raspberry Pi", "Debian, Ubuntu: apt install qemu-user"),
    ("emulators", "qemu-arm", "emulated 32-bit Raspberry Pi", "Debian, Ubuntu: apt install qemu-user"),
    ("flashing", "ssh", "flash to a Raspberry Pi", "Debian, Ubuntu: apt install openssh-client"),
    ("flashing", "scp", "flash to a Raspberry Pi", "Debian, Ubuntu: apt install openssh-client"),
)


@click.command()
@json_option
def doctor(json_output: bool) -> None:
    """Say what is installed, what is missing, and how to get it."""
    from edgekit.reporting import Reporter

    checks = _checks()
    if json_output:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
        return
    rows = []
    for group, members in groupby(checks, lambda check: check.group):
        for position, check in enumerate(members):
            label = "" if position else group
            advice = "" if check.found else check.advice
            rows.append((label, check.name, check.needed_for, check.found or "missing", advice))
    Reporter().table(("for", "what", "needed for", "found", "how to get it"), rows)


def _checks() -> list[Check]:
    """Every check, those of a group together, the groups in the order of the work."""
    checks = [
        Check("everything", "python", "everything", sys.version.split()[0], ""),
        *(Check(group, name, use, _version(name), advice) for group, name, use, advice in _PACKAGES),
        *(Check(group, name, use, shutil.which(name), advice) for group, name, use, advice in _PROGRAMS),
        *_emulators(),
        *_sdks(),
        Check("flashing", "serial ports", "real boards", _ports(), "connect a board"),
    ]
    order = {group: position for position, group in enumerate(dict.fromkeys(c.group for c in checks))}
    order["flashing"] = len(order)  # It comes after every way to build.
    return sorted(checks, key=_position(order))


def _position(order: dict[str, int]) -> Callable[[Check], int]:
    return lambda check: order[check.group]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _emulators() -> list[Check]:
    """Those that are no program of their own on PATH."""
    from edgekit.device.emulators.rp2040js import PACKAGE, find_rp2040js
    from edgekit.device.emulators.simavr import HOW_TO_GET, find_simavr
    from edgekit.errors import ToolchainError

    found: str | None
    try:
        found, advice = str(find_rp2040js("pico")), ""
    except ToolchainError as error:
        found, advice = None, str(error)
    return [
        Check(
            "emulators", "node", "emulated board pico", shutil.which("node"), "install Node.js 18 or later"
        ),
        Check("emulators", PACKAGE, "emulated board pico", found, advice),
        Check("emulators", "simavr", "emulated board mega2560", find_simavr(), HOW_TO_GET),
    ]


def _sdks() -> list[Check]:
    """A check for each SDK, with the boards whose projects it compiles."""
    from edgekit.boards import board_names, load_board
    from edgekit.toolchains.sdk import SDKS, find_sdk

    boards = [load_board(name) for name in board_names()]
    checks = []
    for sdk in SDKS.values():
        served = [
            board.name
            for board in boards
            if any(sdk.name in engine.toolchains for engine in board.engines.values())
        ]
        installation = find_sdk(sdk.name)
        found = None
        if installation is not None:
            found = f"{installation.version} {installation.root or installation.command[0]}".strip()
        use = f"build for {', '.join(served)}" if served else "build for boards of your own"
        checks.append(Check(sdk.framework, sdk.name, use, found, sdk.how_to_get))
    return checks


def _ports() -> str | None:
    from serial.tools import list_ports

    return ", ".join(sorted(port.device for port in list_ports.comports())) or None
