"""A child process that cannot be left behind, and what it said before it ended."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO

from edgekit.errors import DeviceError

_SHOWN_ERROR_BYTES = 2000
_END_TIMEOUT_S = 5.0


class ChildProcess:
    """A started command with pipes to its standard input and output; its standard error is kept.

    It is ended by :meth:`close`, when this object is collected, and when Python ends. ``what`` names it
    in errors; ``grace_s`` is how long it may take to end once its input has ended. Raises DeviceError
    where it cannot be started.
    """

    def __init__(self, command: Sequence[str], what: str, *, pipe_output: bool, grace_s: float) -> None:
        self._what = what
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if pipe_output else subprocess.DEVNULL,
                stderr=self._errors,
                bufsize=0,
            )
        except OSError as error:
            self._errors.close()
            raise DeviceError(f"{what} could not be started: {error}.") from error
        self._finalizer = weakref.finalize(self, _end, self._process, self._errors, grace_s)

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to its standard input."""
        if self._process.stdin is None:
            raise DeviceError(f"{self._what} has no input.")
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe from its standard output."""
        if self._process.stdout is None:
            raise DeviceError(f"{self._what} has no output.")
        return self._process.stdout

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def end_report(self) -> str:
        """A sentence on how it ended and what it last wrote to standard error. Waits for its end."""
        if not self._finalizer.alive:
            return f"{self._what} was closed."
        try:
            code = self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"{self._what} closed its end of the link but still runs."
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        said = self._last_errors()
        return f"{self._what} {how}." + (f" It said:\n{said}" if said else "")

    def close(self) -> None:
        """Ends the process. May be called twice."""
        self._finalizer()

    def _last_errors(self) -> str:
        size = self._errors.seek(0, 2)
        self._errors.seek(max(0, size - _SHOWN_ERROR_BYTES))
        return self._errors.read().decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes], errors: IO[bytes], grace_s: float) -> None:
    """Closes the pipes, which ends a well-behaved process, then makes sure."""
    if process.stdin is not None:
        # What could not be sent any more is of no use now.
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_END_TIMEOUT_S)
    if process.stdout is not None:
        process.stdout.close()
    errors.close()
