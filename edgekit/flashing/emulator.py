"""Emulated boards: nothing is flashed, the image is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.boards import Board

if TYPE_CHECKING:
    from edgekit.device.messages import DeviceInfo


def start_emulator(
    board: Board, image: Path, listen_port: int | None, say: Callable[[str], None]
) -> DeviceInfo:
    """Runs ``image`` in the emulator of ``board`` during this call; see :func:`edgekit.flashing.flash`."""
    from edgekit.device.device import Device
    from edgekit.device.emulators import open_emulator
    from edgekit.device.relay import serve

    transport = open_emulator(board, image)
    with Device(transport, on_log=say, name=board.name) as device:
        info = device.info()
        say(f"{board.name} is emulated and runs the firmware")
        if listen_port is not None:
            serve(transport, listen_port, say)
    return info
