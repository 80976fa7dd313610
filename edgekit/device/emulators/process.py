"""Firmware as a process whose standard input and output are the link: run here, or by qemu-user."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence

from edgekit.device.emulators.child_process import ChildProcess
from edgekit.errors import DeviceError

_CHUNK_BYTES = 65536
_WRITE_TIMEOUT_S = 30.0
# The firmware ends when its input does, unless it computes.
_GRACE_S = 0.2


class ProcessTransport:
    """A :class:`~edgekit.device.transport.Transport` to a command's standard input and output.

    ``what`` names the process in errors. POSIX only, as are the boards that run this way.
    """

    def __init__(self, command: Sequence[str], what: str) -> None:
        self._what = what
        self._child = ChildProcess(command, what, pipe_output=True, grace_s=_GRACE_S)
        self._input = self._child.stdin.fileno()
        self._output = self._child.stdout.fileno()
        os.set_blocking(self._input, False)
        self._closed = False

    def write(self, data: bytes) -> None:
        """Sends all of ``data``. Raises DeviceError where the process has ended or does not read."""
        self._refuse_closed()
        deadline = time.monotonic() + _WRITE_TIMEOUT_S
        left = memoryview(data)
        try:
            while left:
                _, writable, _ = select.select([], [self._input], [], max(0.0, deadline - time.monotonic()))
                if not writable:
                    raise DeviceError(f"{self._what} takes no input: it hangs or computes for too long.")
                left = left[os.write(self._input, left[:_CHUNK_BYTES]) :]
        except BrokenPipeError as error:
            raise DeviceError(self._child.end_report()) from error

    def read(self, timeout_s: float) -> bytes:
        """What has arrived; see Transport.read."""
        self._refuse_closed()
        readable, _, _ = select.select([self._output], [], [], max(0.0, timeout_s))
        if not readable:
            return b""
        received = os.read(self._output, _CHUNK_BYTES)
        if not received:
            raise DeviceError(self._child.end_report())
        return received

    def close(self) -> None:
        """Ends the process."""
        self._closed = True
        self._child.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise DeviceError(f"{self._what} was closed.")
