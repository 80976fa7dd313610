"""Board profiles: one TOML a board in ``boards/``, read into typed records, strictly validated.

A key that is not known is an error that names the nearest valid one; so is a board name. Users add
boards of their own with a ``boards/`` folder in the workspace or by naming a TOML file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.board_rules import check_board
from edgekit.errors import UnknownNameError, UsageError
from edgekit.records import Record, read_toml
from edgekit.resources import boards_folder

EngineName = Literal["aot", "tflm", "litert"]
KernelsName = Literal["reference", "fast"]
FrameworkName = Literal["baremetal", "linux", "esp_idf", "arduino", "pico_sdk", "zephyr", "python"]
CompilerName = Literal["zig", "gcc"]
SdkName = Literal["esp-idf", "arduino-cli", "arduino-builder", "pico-sdk", "west"]
ToolchainName = Literal[CompilerName, SdkName, "none"]
ProofLevel = Literal["board", "emulator", "compiled", "generated"]

Size = Annotated[int, msgspec.Meta(gt=0)]
Address = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
Frequency = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class Mcu(Record, frozen=True):
    """The chip. ``core`` names an entry of :data:`edgekit.toolchains.cores.CORES`.

    ``flash_bytes`` is None where programs lie in a file system. ``clock_hz`` is the core clock that
    the firmware sets up, from the chip's own oscillator or, where ``oscillator`` says so, from a crystal
    or a clock signal of ``oscillator_hz`` at its pins. ``psram_bytes`` is slower RAM beside the chip, which
    an SDK maps into memory; None where there is none.
    """

    name: str
    core: str
    clock_hz: Frequency
    ram_bytes: Size
    flash_bytes: Size | None = None
    oscillator: Literal["internal", "crystal", "signal"] = "internal"
    oscillator_hz: Frequency = 0
    psram_bytes: Size | None = None


def milliseconds(cycles: int, clock_hz: int) -> float | None:
    """How long so many cycles take; None where the clock is not known."""
    return 1000 * cycles / clock_hz if clock_hz else None


class MemoryMap(Record, frozen=True):
    """Where a bare-metal image is linked: start addresses of flash (code, constants) and RAM.

    ``stack_bytes`` of RAM are reserved for the stack, or left to it where an SDK links the image.
    """

    flash_origin: Address
    ram_origin: Address
    stack_bytes: Size = 4096


class Engine(Record, frozen=True):
    """How one engine is built for the board: a project framework and its target there.

    ``target`` is a folder of ``firmware/port/`` for ``baremetal`` and ``linux``, and the SDK's own name of
    the board elsewhere: IDF_TARGET, FQBN, PICO_BOARD, Zephyr's board. ``toolchains`` are tried in their
    order; there is at least one ("none" where nothing is compiled).
    """

    framework: FrameworkName
    target: str
    toolchains: tuple[ToolchainName, ...]


class Serial(Record, frozen=True):
    """The serial port: its speed and the USB ids ("vid:pid", hexadecimal) it is recognised by.

    ``uart`` is the chip's own name of the peripheral that SDK-free firmware speaks through, ``tx`` and
    ``rx`` its pins as the chip's manual writes them: PA2 (STM32), P0.06 (nRF), GP0 (RP2040), GPIO21
    (ESP32). Empty where the port of the firmware knows but one.
    """

    baud: Size = 115200
    usb_ids: tuple[str, ...] = ()
    uart: str = ""
    tx: str = ""
    rx: str = ""


class Emulator(Record, frozen=True):
    """An emulator of the whole board.

    ``machine`` is the emulator's own name of it: the processor for ``unicorn``, the machine for
    ``qemu-system``, the program (``qemu-aarch64``) for ``qemu-user``, the chip for ``simavr``. ``engines``
    are those whose images it runs; none named: all of the board's.
    """

    kind: Literal["process", "unicorn", "qemu-system", "qemu-user", "simavr", "rp2040js"]
    machine: str = ""
    engines: tuple[EngineName, ...] = ()


class Flash(Record, frozen=True):
    """How an image gets onto the board.

    ``target`` is the tool's own name of what it writes to: the chip (``esptool``, ``pyocd``), the
    ``Board-ID`` in the boot drive's INFO_UF2.TXT (``uf2``), the FQBN (``arduino-cli``).
    """

    tool: Literal["none", "emulator", "ssh", "esptool", "pyocd", "uf2", "arduino-cli"]
    target: str = ""


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
    """Names of the boards that ship with edgekit and of those in ``extra_folder``, sorted.

    Raises UsageError where one of ``extra_folder`` has the name of one that ships.
    """
    return sorted(_board_files(extra_folder))


def load_board(name_or_file: str, extra_folder: Path | None = None) -> Board:
    """The board called ``name_or_file``, or the one described by that TOML file.

    Raises UnknownNameError for an unknown board, UsageError for a profile that is not valid, or that
    lies in ``extra_folder`` under the name of a board that ships.
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
    check_board(board, path)
    return board


def _board_files(extra_folder: Path | None) -> dict[str, Path]:
    files = {path.stem: path for path in sorted(boards_folder().glob("*.toml"))}
    for path in sorted(extra_folder.glob("*.toml")) if extra_folder is not None else []:
        shipped = files.setdefault(path.stem, path)
        if shipped != path and not _same_content(shipped, path):
            raise UsageError(
                f"the board profile {path} has the name of one that ships with edgekit, {shipped}. Give "
                "your board a name of its own: file and `name` alike."
            )
    return files


def _same_content(one: Path, other: Path) -> bool:
    """Whether both profiles say the same, as they do where the workspace is edgekit's own source tree."""
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False
