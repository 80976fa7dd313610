"""Where a job's device is, and the way to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.boards import Board, Emulator
from edgekit.config import DETECT_PORT, override
from edgekit.device.device import PROGRAM_TIMEOUTS, Device
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError, UsageError
from edgekit.stages.job import Job

if TYPE_CHECKING:
    from edgekit.stages.build import Firmware


def locate_device(job: Job, board: Board) -> Job:
    """The job, its port found by the board's USB ids where it is "auto", or where nothing else is possible.

    That is where neither a port nor an ssh target is named and the board is neither emulated nor behind
    ssh. Raises as :func:`edgekit.device.ports.detect_port` does, and where the device is an emulator that is
    not installed or cannot run the job's engine, before anything is built for it.
    """
    from edgekit.device.ports import detect_port

    at = job.settings.device
    elsewhere = at.target is not None or board.emulator is not None or board.flash.tool == "ssh"
    if not at.is_named and board.emulator is not None:
        _check_emulation(job, board, board.emulator)
    if at.port != DETECT_PORT and (at.port is not None or elsewhere):
        return job
    usb_ids = board.serial.usb_ids if board.serial is not None else ()
    port = detect_port(board.name, usb_ids, job.reporter.say)
    return replace(job, settings=override(job.settings, {"device.port": port}))


def _check_emulation(job: Job, board: Board, emulator: Emulator) -> None:
    from edgekit.device.emulators import check_emulator

    engine = job.engine_name(board)
    if engine == "litert":  # A bundle runs as a process of this computer.
        return
    if emulator.engines and engine not in emulator.engines:
        raise UsageError(
            f"the emulator of {board.name} runs images of the engine {' or '.join(emulator.engines)} only, "
            f"not of {engine}. Flash the board and name its serial port with --port."
        )
    check_emulator(board)


def open_link(job: Job, board: Board, firmware: Firmware | None) -> Transport:
    """The link to the device of a job that :func:`locate_device` gave, or to the emulated ``firmware``.

    Nothing is asked yet. Raises DeviceError where the board is neither at a port or target nor emulated.
    """
    from edgekit.device.emulators import open_emulator
    from edgekit.device.ports import open_port
    from edgekit.flashing.ssh import open_ssh_device, parse_target

    at = job.settings.device
    if at.port is not None:
        return open_port(at.port, _baud(board))
    if at.target is not None:
        return open_ssh_device(board, parse_target(at.target))
    if firmware is not None and board.emulator is not None:
        return open_emulator(board, firmware.image)
    raise DeviceError(f"{board.name} is not emulated. Name its serial port with --port.")


def open_device(job: Job, board: Board, firmware: Firmware | None) -> Device:
    """The device behind :func:`open_link`; one at a port has answered, at its own baud rate or at 115200."""
    from edgekit.device.connect import connect

    def show(line: str) -> None:
        job.reporter.say(f"[{board.name}] {line}")

    port = job.settings.device.port
    if port is not None:
        return connect(port, _baud(board), on_log=show, say=job.reporter.say)
    is_program = board.emulator is not None and board.emulator.kind in {"process", "qemu-user"}
    timeouts = PROGRAM_TIMEOUTS if is_program or job.settings.device.target is not None else None
    return Device(open_link(job, board, firmware), on_log=show, timeouts=timeouts)


def _baud(board: Board) -> int:
    from edgekit.device.ports import DEFAULT_BAUD

    return board.serial.baud if board.serial is not None else DEFAULT_BAUD
