"""Runs other people's flashing tools: argument lists, time limits, and what their failures mean.

What a tool prints is shown only where it failed, and then its last lines, after a sentence of our own
where the failure is a known one.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import DeviceError, ToolchainError

_SHOWN_LINES = 8
_SHOWN_CHARS = 2000
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")

RETRY = (
    "Plug it in again and repeat `edgekit flash`; nothing is broken: what starts a board's flashing cannot "
    "be overwritten by it."
)
HINT_DIALOUT = (
    "On Linux, add your user to the port's group (`sudo usermod -aG dialout $USER`, then log in again) or "
    "install the board's udev rule."
)


@dataclass(frozen=True)
class KnownFailure:
    """A failure that ``pattern`` (a regular expression, case ignored) recognises in a tool's output.

    ``advice`` may name ``{what}``, the thing that the tool worked on. ``while_writing`` says that the
    connection was lost, so that another attempt, perhaps a slower one, can succeed.
    """

    pattern: str
    advice: str
    while_writing: bool = False


# The first that fits counts. A tool's own text often names several causes at once ("busy or doesn't
# exist"), so only what the operating system says of a port is looked for here.
PORT_FAILURES = (
    KnownFailure(
        r"Access is denied|PermissionError|Resource busy|exclusively lock|Errno 16|Errno 11",
        "{what} is busy: another program has it open (a serial monitor, an IDE, another edgekit). Close it.",
    ),
    KnownFailure(r"Permission denied|Errno 13", f"Your user may not open {{what}}. {HINT_DIALOUT}"),
    KnownFailure(
        r"No such file or directory|FileNotFoundError|Errno 2\b|cannot find the file",
        "{what} is not there. Is the board plugged in, with a data cable?",
    ),
    KnownFailure(
        r"Input/output error|Errno 5\b|Device not configured|Errno 6\b|No such device|ClearCommError|"
        r"device disconnected|returned no data|WriteFile failed|port is closed",
        f"The board was lost while it was written to: unplugged, or a bad cable or hub. {RETRY}",
        while_writing=True,
    ),
)


class ToolFailedError(DeviceError):
    """A flashing tool failed; ``failure`` is what is known about it, ``output`` all that it said."""

    def __init__(self, message: str, output: str, failure: KnownFailure | None) -> None:
        self.output = output
        self.failure = failure
        super().__init__(message)


def find_tool(name: str, extra: str | None, advice: str = "") -> list[str]:
    """The command that starts the tool ``name``: the Python package beside edgekit, else from PATH.

    ``extra`` is edgekit's extra that installs it as a package. Raises ToolchainError saying how to get it.
    """
    if extra is not None and importlib.util.find_spec(name) is not None:
        # -P: a file of that name in the current folder must not be taken for the tool.
        return [sys.executable, "-P", "-m", name]
    found = shutil.which(name)
    if found is not None:
        return [found]
    how = f"Install it with `pip install 'edgekit[{extra}]'`." if extra is not None else advice
    raise ToolchainError(f"{name}, which flashes this board, is not installed. {how}")


def explain(output: str, failures: Sequence[KnownFailure]) -> KnownFailure | None:
    """The first of ``failures`` that ``output`` shows, or None."""
    return next((known for known in failures if re.search(known.pattern, output, re.IGNORECASE)), None)


def run_tool(
    command: Sequence[str],
    *,
    name: str,
    what: str,
    timeout_s: float,
    failures: Sequence[KnownFailure] = (),
) -> str:
    """Runs ``command`` and returns what it said, standard output first.

    ``name`` and ``what`` ("esptool", "/dev/ttyUSB0") are for errors. It runs in an empty folder, so that
    no script or configuration that lies about is taken for its own: paths in ``command`` are absolute.
    Raises ToolFailedError where it fails or takes longer than ``timeout_s``, ToolchainError where it
    cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-") as empty_folder:
        try:
            done = subprocess.run(
                command,
                cwd=empty_folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            output = _text(error.stdout) + _text(error.stderr)
            raise ToolFailedError(
                f"{name} took more than {timeout_s:.0f} s on {what} and was ended. {RETRY}{_tail(output)}",
                output,
                None,
            ) from error
        except OSError as error:
            raise ToolchainError(f"{name} cannot be run: {error}.") from error
    output = done.stdout + done.stderr
    if done.returncode != 0:
        known = explain(output, failures)
        advice = f" {known.advice.format(what=what)}" if known is not None else ""
        raise ToolFailedError(
            f"{name} failed on {what} (exit code {done.returncode}).{advice}{_tail(output)}", output, known
        )
    return output


def _text(output: str | bytes | None) -> str:
    """What a tool said before it was ended; Python gives it as bytes whatever was asked for."""
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _tail(output: str) -> str:
    """The last lines of what a tool said, without colours and without overwritten progress."""
    plain = _ESCAPE_SEQUENCE.sub("", output)
    lines = [line.rstrip("\r").rpartition("\r")[2].strip() for line in plain.split("\n")]
    shown = "\n".join([line for line in lines if line][-_SHOWN_LINES:])[-_SHOWN_CHARS:]
    return f" It said:\n{shown}" if shown else " It said nothing."
