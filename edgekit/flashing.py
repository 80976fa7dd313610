"""Puts an image onto a board: over ssh onto a Linux board, or into the board's emulator."""

from __future__ import annotations

import re
import select
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.boards import Board
from edgekit.device.transport import Transport
from edgekit.errors import DeviceError, ToolchainError, UsageError

if TYPE_CHECKING:
    from edgekit.device.messages import DeviceInfo

_TARGET = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?"
)
_CONNECT_TIMEOUT_S = 10
_COPY_TIMEOUT_S = 600.0
_SSH_FAILED = 255
_RELAY_CHUNK_BYTES = 65536
# An emulator that runs inside read() must get to run, and a client must not wait long for it.
_RELAY_SLICE_S = 0.005

# Never ask: a password prompt inside a tool that runs unattended is a hang.
_SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S}")
_HINTS = {
    "Permission denied": "Let your key in first: ssh-copy-id {login}",
    "Host key verification failed": "Connect once by hand, to confirm the board's key: ssh {login}",
    "Could not resolve hostname": "Is the name right, and is the board on this network?",
    "Connection refused": "Is ssh enabled on the board (`sudo raspi-config`, Interface Options)?",
    "timed out": "Is the board switched on and on this network?",
    "No route to host": "Is the board switched on and on this network?",
}


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


def flash(
    board: Board,
    image: Path,
    *,
    target: str | None = None,
    listen_port: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> DeviceInfo:
    """Puts ``image`` onto ``board``, starts it, and returns what it says about itself.

    A board behind ssh needs its ``target``. An emulated board runs only as long as this call: with
    ``listen_port`` (0: a free one) it serves its link on loopback until interrupted. ``say`` gets a
    line at each step.
    """
    if not image.is_file():
        raise UsageError(f"there is no image {image}. Build it with `edgekit build --board {board.name}`.")
    if board.flash.tool == "ssh":
        if target is None:
            raise UsageError(f"{board.name} is flashed over ssh: name it with --target user@host.")
        return _flash_over_ssh(board, image, parse_target(target), say)
    if target is not None:
        raise UsageError(f"{board.name} is not flashed over ssh: leave --target out.")
    if board.flash.tool == "emulator":
        return _start_emulator(board, image, listen_port, say)
    raise UsageError(
        f"edgekit cannot flash {board.name}: do it with the board's own tool, the image is {image}."
    )


def open_ssh_device(board: Board, target: SshTarget) -> Transport:
    """Runs the image that :func:`flash` copied to ``target``; its link comes through ssh."""
    from edgekit.device.emulators.process import ProcessTransport

    return ProcessTransport(
        [*_ssh_command(target), shlex.quote(f"./{_remote_path(board)}")],
        f"the firmware of {board.name} on {target.login}",
    )


def serve(transport: Transport, port: int, say: Callable[[str], None]) -> None:
    """Serves ``transport`` on loopback, one client at a time, until interrupted or the device fails."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise DeviceError(
            f"cannot serve the link on port {port}: {error.strerror}. Choose another with --listen, or 0."
        ) from error
    with listener:
        say(f"serving the link on socket://127.0.0.1:{listener.getsockname()[1]}; end with Ctrl-C")
        while True:
            client, _ = listener.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _relay(client, transport)


def _relay(client: socket.socket, transport: Transport) -> None:
    """Carries bytes both ways until the client has gone."""
    try:
        while True:
            if select.select([client], [], [], _RELAY_SLICE_S)[0]:
                request = client.recv(_RELAY_CHUNK_BYTES)
                if not request:
                    return
                transport.write(request)
            answer = transport.read(_RELAY_SLICE_S)
            if answer:
                client.sendall(answer)
    except ConnectionError:
        return


def _start_emulator(
    board: Board, image: Path, listen_port: int | None, say: Callable[[str], None]
) -> DeviceInfo:
    from edgekit.device.device import Device
    from edgekit.device.emulators import open_emulator

    transport = open_emulator(board, image)
    with Device(transport, on_log=say, name=board.name) as device:
        info = device.info()
        say(f"{board.name} is emulated and runs the firmware")
        if listen_port is not None:
            serve(transport, listen_port, say)
    return info


def _flash_over_ssh(board: Board, image: Path, target: SshTarget, say: Callable[[str], None]) -> DeviceInfo:
    from edgekit.device.device import Device

    path = _remote_path(board)
    folder, unfinished = path.rpartition("/")[0], f"{path}.unfinished"
    _run(target, [*_ssh_command(target), f"mkdir -p {shlex.quote(folder)}"])
    say(f"copying {image} to {target.login}:{path}")
    port = ["-P", str(target.port)] if target.port is not None else []
    scp = [_program("scp"), "-q", *_SSH_OPTIONS, *port, "--", str(image.resolve())]
    _run(target, [*scp, f"{target.login}:{unfinished}"])
    install = f"chmod 755 {shlex.quote(unfinished)} && mv -f {shlex.quote(unfinished)} {shlex.quote(path)}"
    _run(target, [*_ssh_command(target), install])
    with Device(open_ssh_device(board, target), on_log=say, name=target.login) as device:
        info = device.info()
    say(f"{target.login} runs the firmware")
    return info


def _remote_path(board: Board) -> str:
    """Relative to the login's home. A board's name has no characters that a shell would change."""
    return f".edgekit/{board.name}/firmware"


def _ssh_command(target: SshTarget) -> list[str]:
    port = ["-p", str(target.port)] if target.port is not None else []
    return [_program("ssh"), "-T", *_SSH_OPTIONS, *port, "--", target.login]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolchainError(
            f"{name} is not on PATH. Install it (Debian, Ubuntu: `apt install openssh-client`)."
        )
    return found


def _run(target: SshTarget, command: list[str]) -> None:
    """Runs an ssh or scp command. Raises DeviceError with what it said, and a hint where one fits."""
    name = Path(command[0]).name
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COPY_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{name} to {target.login} took more than {_COPY_TIMEOUT_S:.0f} s.") from error
    except OSError as error:
        raise ToolchainError(f"{name} cannot be run: {error}.") from error
    if completed.returncode == 0:
        return
    said = completed.stderr.strip() or "it said nothing"
    hints = [hint.format(login=target.login) for words, hint in _HINTS.items() if words in said]
    what = "cannot reach" if completed.returncode == _SSH_FAILED or hints else "failed on"
    sentence = f"{name} {what} {target.login} (exit code {completed.returncode}): {said}."
    raise DeviceError(" ".join([sentence, *hints[:1]]))
