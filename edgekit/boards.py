"""Board profiles: one TOML a board in ``boards/``, read into typed records, strictly validated.

A key that is not known is an error that names the nearest valid one; so is a board name. Users add
boards of their own with a ``boards/`` folder in the workspace or by naming a TOML file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.errors import UnknownNameError, UsageError
from edgekit.records import Record, read_toml
from edgekit.resources import boards_folder

EngineName = Literal["aot", "tflm"]
FrameworkName = Literal["baremetal", "linux"]
ToolchainName = Literal["zig", "gcc"]
ProofLevel = Literal["board", "emulator", "compiled", "generated"]

Size = Annotated[int, msgspec.Meta(gt=0)]
Address = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
Frequency = Annotated[int, msgspec.Meta(ge=0)]


class Mcu(Record, frozen=True):
    """The chip. ``core`` names an entry of :data:`edgekit.toolchains.cores.CORES`.

    ``flash_bytes`` is None where programs lie in a file system. ``clock_hz`` is the core clock that
    the firmware sets up.
    """

    name: str
    core: str
    clock_hz: Frequency
    ram_bytes: Size
    flash_bytes: Size | None = None


class MemoryMap(Record, frozen=True):
    """Where a bare-metal image is linked: start addresses of flash (code, constants) and RAM.

    ``stack_bytes`` of RAM are reserved for the stack.
    """

    flash_origin: Address
    ram_origin: Address
    stack_bytes: Size = 4096


class Engine(Record, frozen=True):
    """How one engine is built for the board: a project framework and its target there.

    ``target`` is a folder of ``firmware/port/`` for ``baremetal`` and ``linux``.
    """

    framework: FrameworkName
    target: str
    toolchains: tuple[ToolchainName, ...] = ()


class Serial(Record, frozen=True):
    """The serial port: its speed and the USB ids ("vid:pid", hexadecimal) it is recognised by."""

    baud: Size = 115200
    usb_ids: tuple[str, ...] = ()


class Emulator(Record, frozen=True):
    """An emulator of the whole board. ``machine`` is the emulator's own name of it."""

    kind: Literal["process", "unicorn", "qemu-system", "qemu-user"]
    machine: str = ""


class Flash(Record, frozen=True):
    """How an image gets onto the board."""

    tool: Literal["none", "emulator", "ssh"]


class Proof(Record, frozen=True):
    """How the board was last proved by this project. No profile may claim more than was run."""

    level: ProofLevel
    by: str


class Board(Record, frozen=True):
    """A board profile. ``engines`` maps an engine's name to how it is built; the default is one of them."""

    name: str
    title: str
    mcu: Mcu
    default_engine: EngineName
    engines: dict[EngineName, Engine]
    flash: Flash
    proof: Proof
    memory: MemoryMap | None = None
    serial: Serial | None = None
    emulator: Emulator | None = None


def board_names(extra_folder: Path | None = None) -> list[str]:
    """Names of the boards that ship with edgekit and of those in ``extra_folder``, sorted."""
    return sorted(_board_files(extra_folder))


def load_board(name_or_file: str, extra_folder: Path | None = None) -> Board:
    """The board called ``name_or_file``, or the one described by that TOML file.

    Raises UnknownNameError for an unknown board, UsageError for a profile that is not valid.
    """
    if name_or_file.endswith(".toml"):
        return read_board(Path(name_or_file))
    files = _board_files(extra_folder)
    if name_or_file not in files:
        raise UnknownNameError("board", name_or_file, sorted(files), "`edgekit boards` lists them all.")
    return read_board(files[name_or_file])


def read_board(path: Path) -> Board:
    """Reads and validates one profile. Raises UsageError naming the file and the key."""
    board = read_toml(path, Board, "board profile")
    _check_board(board, path)
    return board


def _board_files(extra_folder: Path | None) -> dict[str, Path]:
    folders = [boards_folder()] + ([extra_folder] if extra_folder is not None else [])
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def _check_board(board: Board, path: Path) -> None:
    from edgekit.toolchains.cores import CORES

    if board.name != path.stem:
        raise UsageError(f"the board profile {path} names itself '{board.name}': name and file must agree.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", board.name):
        raise UsageError(
            f"the board profile {path} has the name '{board.name}': a name is made of letters, digits, "
            "'.', '_' and '-', because folders and firmware bear it."
        )
    if board.mcu.core not in CORES:
        raise UnknownNameError("core", board.mcu.core, sorted(CORES), f"(mcu.core in {path})")
    if board.default_engine not in board.engines:
        raise UsageError(
            f"the board profile {path} has default_engine '{board.default_engine}' "
            f"but no [engines.{board.default_engine}]."
        )
    baremetal = any(engine.framework == "baremetal" for engine in board.engines.values())
    if baremetal and (board.memory is None or board.mcu.flash_bytes is None):
        raise UsageError(
            f"the board profile {path} has a baremetal engine, which needs [memory] and mcu.flash_bytes."
        )
