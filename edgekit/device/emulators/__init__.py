"""Emulated boards: each a :class:`~edgekit.device.transport.Transport` to firmware that really runs."""

from __future__ import annotations

from pathlib import Path

from edgekit.boards import Board
from edgekit.device.transport import Transport
from edgekit.errors import UsageError


def open_emulator(board: Board, image: Path, *, count_instructions: bool = False) -> Transport:
    """Starts ``image`` on the emulator of ``board``.

    ``count_instructions`` makes the firmware's ticks count executed instructions; see
    :func:`instructions_per_tick`. Raises UsageError where the board has no emulator or the emulator
    cannot count, ToolchainError where it is not installed, DeviceError where it does not start.
    """
    if board.emulator is None:
        raise UsageError(f"the board {board.name} has no emulator. Give a serial port with --port.")
    if board.emulator.kind == "unicorn":
        from edgekit.device.emulators.virtual_board import UnicornTransport

        return UnicornTransport(board, image, count_instructions=count_instructions)
    raise UsageError(f"the emulator {board.emulator.kind} is not available yet.")
