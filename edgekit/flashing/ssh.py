"""Linux boards behind ssh: the image is copied to them and started through ssh."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.boards import Board
from edgekit.device.transport import Transport
from edgekit.errors import UsageError
from edgekit.flashing.tool import KnownFailure, find_tool, run_tool

if TYPE_CHECKING:
    from edgekit.device.messages import DeviceInfo

_TARGET = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?"
)
_CONNECT_TIMEOUT_S = 10
_COPY_TIMEOUT_S = 600.0

# Never ask: a password prompt inside a tool that runs unattended is a hang.
_SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S}")
_FAILURES = (
    KnownFailure(r"Permission denied \(", "Let your key in first: ssh-copy-id {what}."),
    KnownFailure(
        "Host key verification failed", "Connect once by hand, to confirm the board's key: ssh {what}."
    ),
    KnownFailure("Could not resolve hostname", "Is the name right, and is the board on this network?"),
    KnownFailure(
        "Connection refused", "Is ssh enabled on the board (`sudo raspi-config`, Interface Options)?"
    ),
    KnownFailure("timed out|No route to host", "Is the board switched on and on this network?"),
    KnownFailure("No space left", "The board's disk is full: make room on {what}."),
    KnownFailure(
        "Connection closed|Connection reset|lost connection|Broken pipe",
        "The connection to {what} was lost. Repeat `edgekit flash`: the old program is kept until the "
        "new one is there whole.",
        while_writing=True,
    ),
)


@dataclass(frozen=True)
class SshTarget:
    """A Linux board behind ssh. ``user`` and ``port`` are None where ssh's configuration decides."""

    host: str
    user: str | None = None
    port: int | None = None

    @property
    def login(self) -> str:
        """``user@host``, or ``host``."""
        return f"{self.user}@{self.host}" if self.user is not None else self.host


def parse_target(text: str) -> SshTarget:
    """The target in ``[user@]host[:port]``. Raises UsageError for anything else."""
    match = _TARGET.fullmatch(text)
    port = int(match["port"]) if match is not None and match["port"] is not None else None
    if match is None or (port is not None and not 0 < port < 1 << 16):
        raise UsageError(f"'{text}' is not an ssh target. Write it as user@host or user@host:port.")
    return SshTarget(match["host"], match["user"], port)


def flash_over_ssh(board: Board, image: Path, target: SshTarget, say: Callable[[str], None]) -> DeviceInfo:
    """Copies ``image`` to ``target``, starts it there, and returns what it says about itself.

    An earlier program stays until the new one is there whole.
    """
    from edgekit.device.device import PROGRAM_TIMEOUTS, Device

    path = _remote_path(board)
    folder, unfinished = path.rpartition("/")[0], f"{path}.unfinished"
    _run(target, [*_ssh_command(target), f"mkdir -p {shlex.quote(folder)}"])
    say(f"copying {image} to {target.login}:{path}")
    port = ["-P", str(target.port)] if target.port is not None else []
    scp = [_program("scp"), "-q", *_SSH_OPTIONS, *port, "--", str(image.resolve())]
    _run(target, [*scp, f"{target.login}:{unfinished}"])
    install = f"chmod 755 {shlex.quote(unfinished)} && mv -f {shlex.quote(unfinished)} {shlex.quote(path)}"
    _run(target, [*_ssh_command(target), install])
    transport = open_ssh_device(board, target)
    with Device(transport, on_log=say, timeouts=PROGRAM_TIMEOUTS, name=target.login) as device:
        info = device.info()
    say(f"{target.login} runs the firmware")
    return info


def open_ssh_device(board: Board, target: SshTarget) -> Transport:
    """Runs the image that :func:`flash_over_ssh` copied to ``target``; its link comes through ssh."""
    from edgekit.device.emulators.process import ProcessTransport

    return ProcessTransport(
        [*_ssh_command(target), shlex.quote(f"./{_remote_path(board)}")],
        f"the firmware of {board.name} on {target.login}",
    )


def _remote_path(board: Board) -> str:
    """Relative to the login's home. A board's name has no characters that a shell would change."""
    return f".edgekit/{board.name}/firmware"


def _ssh_command(target: SshTarget) -> list[str]:
    port = ["-p", str(target.port)] if target.port is not None else []
    return [_program("ssh"), "-T", *_SSH_OPTIONS, *port, "--", target.login]


def _program(name: str) -> str:
    return find_tool(name, None, "Debian, Ubuntu: `apt install openssh-client`.")[0]


def _run(target: SshTarget, command: list[str]) -> None:
    name = Path(command[0]).name
    run_tool(command, name=name, what=target.login, timeout_s=_COPY_TIMEOUT_S, failures=_FAILURES)
