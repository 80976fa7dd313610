"""A whole board emulated by QEMU's system emulators, its serial port a connection over loopback."""

from __future__ import annotations

import select
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from edgekit.boards import Board
from edgekit.device.emulators import guard
from edgekit.device.emulators.child_process import ChildProcess
from edgekit.errors import DeviceError, ToolchainError, UsageError
from edgekit.toolchains.cores import CORES


@dataclass(frozen=True)
class _Program:
    """An emulator, the Debian package that has it, and the options that all its machines need here."""

    name: str
    package: str
    options: tuple[str, ...] = ()


# By the architecture whose start-up code the core needs.
_PROGRAMS = {
    "cortex_m": _Program("qemu-system-arm", "qemu-system-arm"),
    # Without "-bios none" QEMU puts its own firmware where ours begins.
    "riscv": _Program("qemu-system-riscv32", "qemu-system-misc", ("-bios", "none")),
}
_START_TIMEOUT_S = 20.0
_WRITE_TIMEOUT_S = 60.0
_CHUNK_BYTES = 65536
_POLL_S = 0.05
# The guard must have the time to end QEMU, or QEMU would be left behind.
_GUARD_GRACE_S = 10.0
# How QEMU ends when the firmware stops the processor: Cortex-M locks up, firmware/port/riscv_virt ends
# the machine with a code of its own.
_STOPPED = ("Lockup: can't escalate", "ended with exit code 99")


def qemu_program(board: Board) -> str:
    """The name of QEMU's emulator for the core of ``board``. Raises UsageError where there is none."""
    return _program(board).name


def _program(board: Board) -> _Program:
    program = _PROGRAMS.get(CORES[board.mcu.core].startup or "")
    if program is None:
        raise UsageError(
            f"the profile of {board.name} names qemu-system as its emulator, but its core {board.mcu.core} "
            "runs programs of an operating system: use qemu-user."
        )
    return program


def find_qemu(board: Board) -> str:
    """The path of that program. Raises ToolchainError where it is not installed."""
    emulator = _program(board)
    found = shutil.which(emulator.name)
    if found is None:
        raise ToolchainError(
            f"{emulator.name}, which emulates {board.name}, is not on PATH. Install it (Debian, Ubuntu: "
            f"`apt install {emulator.package}`), or use the board virt-cortex-m4, which needs pip only."
        )
    return found


class QemuSystemTransport:
    """A :class:`~edgekit.device.transport.Transport` to the serial port of an emulated machine.

    QEMU connects to a port that listens on loopback before it starts, so nothing is lost and no port
    number can be taken by somebody else in between. ``count_instructions`` makes the machine's time
    advance by one nanosecond an instruction. Raises ToolchainError where QEMU is not installed,
    DeviceError where it does not start.
    """

    def __init__(self, board: Board, image: Path, *, count_instructions: bool = False) -> None:
        emulator, program = _program(board), find_qemu(board)
        machine = board.emulator.machine if board.emulator is not None else ""
        self._what = f"{emulator.name} -M {machine}"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            command = [program, "-M", machine, *emulator.options, "-display", "none", "-monitor", "none"]
            command += ["-serial", f"tcp:127.0.0.1:{port},nodelay=on", "-kernel", str(image)]
            if count_instructions:
                command += ["-icount", "shift=0"]
            guarded = [sys.executable, "-I", "-S", guard.__file__, *command]
            self._child = ChildProcess(guarded, self._what, pipe_output=False, grace_s=_GUARD_GRACE_S)
            self._link = self._accept(listener)
        self._closed = False

    def write(self, data: bytes) -> None:
        """Sends all of ``data``. Raises DeviceError where QEMU has ended or the firmware does not read."""
        self._refuse_closed()
        self._link.settimeout(_WRITE_TIMEOUT_S)
        try:
            self._link.sendall(data)
        except TimeoutError as error:
            raise DeviceError(f"the firmware on {self._what} takes no input: it hangs.") from error
        except OSError as error:
            raise DeviceError(self._end_report()) from error

    def read(self, timeout_s: float) -> bytes:
        """What has arrived; see Transport.read."""
        self._refuse_closed()
        readable, _, _ = select.select([self._link], [], [], max(0.0, timeout_s))
        if not readable:
            return b""
        try:
            received = self._link.recv(_CHUNK_BYTES)
        except OSError as error:
            raise DeviceError(self._end_report()) from error
        if not received:
            raise DeviceError(self._end_report())
        return received

    def close(self) -> None:
        """Ends QEMU."""
        self._closed = True
        self._link.close()
        self._child.close()

    def _accept(self, listener: socket.socket) -> socket.socket:
        """The connection from QEMU. Ends QEMU where there is none."""
        listener.settimeout(_POLL_S)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                link, _ = listener.accept()
            except TimeoutError:
                if self._child.has_ended:
                    break
            else:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return link
        ended = self._child.has_ended
        report = (
            self._child.end_report() if ended else f"{self._what} did not start in {_START_TIMEOUT_S:.0f} s."
        )
        self._child.close()
        raise DeviceError(report)

    def _end_report(self) -> str:
        report = self._child.end_report()
        if any(sign in report for sign in _STOPPED):
            return (
                f"the firmware on {self._what} was stopped by a processor fault. "
                "The last line of text that it sent says where."
            )
        return report

    def _refuse_closed(self) -> None:
        if self._closed:
            raise DeviceError(f"{self._what} was closed.")
