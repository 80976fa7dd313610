"""Puts an image onto a board with the board's own tool, and asks the started board who it is.

One module a tool; :func:`flash` is the entry to all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.errors import DeviceError, PortUnavailableError, UsageError, WrongModelError
from edgekit.flashing.ssh import SshTarget, flash_over_ssh, open_ssh_device, parse_target

if TYPE_CHECKING:
    from edgekit.device.messages import DeviceInfo

__all__ = ["Flashed", "SshTarget", "check_identity", "flash", "open_ssh_device", "parse_target"]

_SERIAL_TOOLS = frozenset({"esptool", "arduino-cli"})
"""These write through the board's serial port; the other tools have a way of their own."""
_OPTION_OF_TOOL = {"ssh": "target", "uf2": "drive", "pyocd": "probe"}

# A board with USB of its own has no port while it restarts.
_PORT_TIMEOUT_S = 10.0
_POLL_S = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True)
class Flashed:
    """A flashed board: what it says about itself and the serial port where it said it.

    ``info`` is None where no port of it is known: then nobody has asked it. ``port`` is None also for
    emulators and boards behind ssh.
    """

    info: DeviceInfo | None
    port: str | None = None


@dataclass(frozen=True)
class _Order:
    """What :func:`flash` was asked for."""

    board: Board
    image: Path
    engine: EngineName
    project: Path | None
    port: str | None
    options: dict[str, str | Path | None] = field(default_factory=dict)


def flash(
    board: Board,
    image: Path,
    *,
    engine: EngineName | None = None,
    project: Path | None = None,
    model_sha256: str | None = None,
    port: str | None = None,
    target: str | None = None,
    drive: Path | None = None,
    probe: str | None = None,
    listen_port: int | None = None,
    say: Say = lambda _: None,
) -> Flashed:
    """Puts ``image`` onto ``board``, starts it, and asks it who it is.

    ``engine`` is the one that the image has (None: the board's default), ``project`` the folder of the
    generated project, where SDKs leave what they built, ``model_sha256`` the digest that the device must
    report. ``port`` is a serial port (None: found by the profile's USB ids), ``target`` a board behind
    ssh, ``drive`` a UF2 boot drive, ``probe`` the start of a debug probe's id. An emulated board runs
    only as long as this call: with ``listen_port`` (0: a free one) it serves its link on loopback until
    interrupted. ``say`` gets a line at each step.

    Raises UsageError for options that do not fit the board, or where something is ambiguous, before
    anything is written; DeviceError where the board cannot be reached, fails, or is another one.
    """
    if not image.is_file():
        raise UsageError(f"there is no image {image}. Build it with `edgekit build --board {board.name}`.")
    options: dict[str, str | Path | None] = {"target": target, "drive": drive, "probe": probe}
    _refuse_foreign_options(board, options)
    if board.flash.tool == "emulator":
        from edgekit.flashing.emulator import start_emulator

        flashed = Flashed(start_emulator(board, image, listen_port, say))
    elif board.flash.tool == "ssh":
        if target is None:
            raise UsageError(f"{board.name} is flashed over ssh: name it with --target user@host.")
        flashed = Flashed(flash_over_ssh(board, image, parse_target(target), say))
    else:
        order = _Order(board, image, engine or board.default_engine, project, port, options)
        flashed = _flash_chip(order, say)
    if flashed.info is not None:
        check_identity(flashed.info, board, model_sha256, flashed.port)
    return flashed


def check_identity(info: DeviceInfo, board: Board, model_sha256: str | None, port: str | None) -> None:
    """Raises DeviceError where the device is not ``board``, WrongModelError where it runs another model."""
    if info.board != board.name:
        where = f"the device at {port}" if port is not None else "the device"
        raise DeviceError(
            f"{where} says that it is the board '{info.board}', not '{board.name}'. "
            "Name the port of the board that was flashed with --port."
        )
    if model_sha256 is not None and info.model_sha256 != model_sha256:
        raise WrongModelError(model_sha256, info.model_sha256)


def _refuse_foreign_options(board: Board, options: dict[str, str | Path | None]) -> None:
    own = _OPTION_OF_TOOL.get(board.flash.tool)
    ways = {"target": "over ssh", "drive": "by copying to a drive", "probe": "through a debug probe"}
    for option, way in ways.items():
        if option != own and options[option] is not None:
            raise UsageError(f"{board.name} is not flashed {way}: leave --{option} out.")


def _flash_chip(order: _Order, say: Say) -> Flashed:
    """Flashes a real board and asks it, where its serial port is known."""
    from edgekit.device.ports import detect_port, matching_ports

    board = order.board
    usb_ids = board.serial.usb_ids if board.serial is not None else ()
    port = order.port
    if port is None and (board.flash.tool in _SERIAL_TOOLS or len(matching_ports(usb_ids)) > 1):
        port = detect_port(board.name, usb_ids, say)
    _write(order, port, say)
    port = port or _appearing_port(usb_ids)
    if port is None:
        say(
            f"{board.name} is flashed, but nobody has asked it: its serial port is not known. "
            f"`edgekit verify --board {board.name} --port …` does."
        )
        return Flashed(None)
    return Flashed(_ask(board, port, say), port)


def _write(order: _Order, port: str | None, say: Say) -> None:
    board, image = order.board, order.image
    drive, probe = order.options["drive"], order.options["probe"]
    if board.flash.tool == "esptool" and port is not None:
        from edgekit.flashing.esptool import flash_with_esptool

        framework = board.engines[order.engine].framework
        flash_with_esptool(board, framework, image, order.project, port, say)
    elif board.flash.tool == "arduino-cli" and port is not None:
        from edgekit.flashing.arduino_cli import flash_with_arduino_cli

        flash_with_arduino_cli(board, image, order.project, port, say)
    elif board.flash.tool == "pyocd":
        from edgekit.flashing.pyocd import flash_with_pyocd

        flash_with_pyocd(board, image, None if probe is None else str(probe), say)
    elif board.flash.tool == "uf2":
        from edgekit.flashing.uf2 import flash_with_uf2

        flash_with_uf2(board, image, None if drive is None else Path(drive), say)
    else:
        raise UsageError(
            f"edgekit cannot flash {board.name}: do it with the board's own tool, the image is {image}."
        )


def _appearing_port(usb_ids: tuple[str, ...]) -> str | None:
    """The only port with one of ``usb_ids``, waited for while the board restarts."""
    from edgekit.device.ports import matching_ports

    deadline_s = time.monotonic() + _PORT_TIMEOUT_S
    while usb_ids and time.monotonic() < deadline_s:
        found = matching_ports(usb_ids)
        if found:
            return found[0].name if len(found) == 1 else None
        time.sleep(_POLL_S)
    return None


def _ask(board: Board, port: str, say: Say) -> DeviceInfo:
    """What the device at ``port`` says about itself.

    Waits for a port that goes away with its restarting board; when it is back, others look at it first
    (udev, modem managers), so that it may be busy or forbidden for a moment.
    """
    from edgekit.device.connect import connect
    from edgekit.device.ports import DEFAULT_BAUD

    baud = board.serial.baud if board.serial is not None else DEFAULT_BAUD
    deadline_s = time.monotonic() + _PORT_TIMEOUT_S
    while True:
        try:
            with connect(port, baud, on_log=say, say=say) as device:
                info = device.info()
        except PortUnavailableError:
            if time.monotonic() >= deadline_s:
                raise
            time.sleep(_POLL_S)
        else:
            say(f"{board.name} answers at {port}")
            return info
