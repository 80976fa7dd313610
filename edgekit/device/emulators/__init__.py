"""Emulated boards: each a :class:`~edgekit.device.transport.Transport` to firmware that really runs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from edgekit.boards import Board, Emulator
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.python_archive import ARCHIVE_SUFFIX

_NANOSECONDS_PER_SECOND = 1_000_000_000


def open_emulator(board: Board, image: Path, *, count_instructions: bool = False) -> Transport:
    """Starts ``image`` on the emulator of ``board``.

    ``count_instructions`` makes the firmware's ticks mean executed instructions where the emulator can
    count them, at some cost in speed; :func:`counts_instructions` says whether it can. Raises
    UsageError where the board has no emulator, ToolchainError where it is not installed, DeviceError
    where it does not start.
    """
    if not image.is_file():
        raise DeviceError(f"there is no image {image}. Build it with `edgekit build --board {board.name}`.")
    if is_python(image):
        from edgekit.device.emulators.process import ProcessTransport

        return ProcessTransport(_python_command(image), f"the bundle of {board.name}")
    emulator = _emulator(board)
    if emulator.kind == "unicorn":
        from edgekit.device.emulators.virtual_board import UnicornTransport

        return UnicornTransport(board, image, count_instructions=count_instructions)
    if emulator.kind == "qemu-system":
        from edgekit.device.emulators.qemu_system import QemuSystemTransport

        return QemuSystemTransport(board, image, count_instructions=count_instructions)
    if emulator.kind == "rp2040js":
        from edgekit.device.emulators.rp2040js import Rp2040jsTransport

        return Rp2040jsTransport(board, image, count_instructions=count_instructions)
    if emulator.kind == "simavr":
        from edgekit.device.emulators.simavr import SimavrTransport

        return SimavrTransport(board, image)
    from edgekit.device.emulators.process import ProcessTransport

    command = [str(image.resolve())]
    if emulator.kind == "qemu-user":
        command = [*_qemu_user(board, emulator.machine), *command]
    return ProcessTransport(command, f"the firmware of {board.name}")


def check_emulator(board: Board) -> None:
    """Raises ToolchainError where the emulator of ``board`` is not installed.

    UsageError where it has none.
    """
    emulator = _emulator(board)
    if emulator.kind == "unicorn":
        from edgekit.device.emulators.virtual_board import import_unicorn

        import_unicorn()
    elif emulator.kind == "qemu-system":
        from edgekit.device.emulators.qemu_system import find_qemu

        find_qemu(board)
    elif emulator.kind == "rp2040js":
        from edgekit.device.emulators.rp2040js import find_node, find_rp2040js

        find_node(board.name)
        find_rp2040js(board.name)
    elif emulator.kind == "simavr":
        from edgekit.device.emulators.simavr import find_compiler

        find_compiler(board.name)
    elif emulator.kind == "qemu-user":
        _qemu_user(board, emulator.machine)


def emulator_program(board: Board) -> str:
    """What runs the firmware of ``board``, for a sentence. Raises UsageError where it has no emulator."""
    emulator = _emulator(board)
    if emulator.kind == "qemu-system":
        from edgekit.device.emulators.qemu_system import qemu_program

        return qemu_program(board)
    return emulator.machine if emulator.kind == "qemu-user" else emulator.kind


def is_python(image: Path) -> bool:
    """Whether ``image`` is a bundle of the engine litert: it runs as a process here, whatever the board."""
    return image.suffix == ARCHIVE_SUFFIX


def _python_command(image: Path) -> list[str]:
    """Runs a bundle with the Python that ``EDGEKIT_PYTHON`` names, else with the one that runs edgekit."""
    return [os.environ.get("EDGEKIT_PYTHON") or sys.executable, str(image.resolve())]


def counts_instructions(board: Board) -> bool:
    """Whether the emulator of ``board`` can count executed instructions.

    Raises UsageError where the board has no emulator.
    """
    return _emulator(board).kind in {"unicorn", "qemu-system", "rp2040js"}


def instructions(board: Board, ticks: int) -> int:
    """The instructions that ``ticks`` of the firmware stand for, on an emulator that counts them.

    Under ``unicorn`` and ``rp2040js`` a tick is an instruction. Under ``qemu-system`` an instruction takes
    a nanosecond and a tick a period of the board's clock, so the result is within half a period of the
    true number. Raises UsageError where the emulator of ``board`` counts none.
    """
    if not counts_instructions(board):
        raise UsageError(f"the emulator of {board.name} counts no instructions.")
    if _emulator(board).kind in {"unicorn", "rp2040js"}:
        return ticks
    clock_hz = board.mcu.clock_hz
    return (ticks * _NANOSECONDS_PER_SECOND + clock_hz // 2) // clock_hz


def _emulator(board: Board) -> Emulator:
    if board.emulator is None:
        raise UsageError(f"the board {board.name} has no emulator. Give its serial port with --port.")
    return board.emulator


def _qemu_user(board: Board, program: str) -> list[str]:
    """The command that runs a program for ``board``, on its very core where QEMU knows that."""
    found = shutil.which(program)
    if found is None:
        raise ToolchainError(
            f"{program}, which runs the firmware of {board.name} here, is not on PATH. Install it "
            "(Debian, Ubuntu: `apt install qemu-user`), or use the board virt-cortex-m4, for pip alone."
        )
    cpu = CORES[board.mcu.core].qemu_cpu
    return [found, "-cpu", cpu] if cpu is not None else [found]
