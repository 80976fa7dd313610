"""An 8-bit AVR board emulated by simavr, its UART at the pace of the profile's baud rate.

simavr comes as a library. ``simavr_board.c`` beside this module is a program around it that has the UART on
its standard input and output; it is compiled each time, which takes a fraction of a second.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from edgekit.boards import Board
from edgekit.device.emulators.process import ProcessTransport
from edgekit.device.ports import DEFAULT_BAUD
from edgekit.errors import ToolchainError, UsageError
from edgekit.toolchains.elf import flash_image, read_segments

_SOURCE = Path(__file__).with_name("simavr_board.c")
_FLAGS = ("-std=gnu11", "-O2")
_LIBRARIES = ("-lsimavr",)
_COMPILE_TIMEOUT_S = 60.0
_SHOWN_LINES = 10
_INCLUDE_FOLDERS = (Path("/usr/include"), Path("/usr/local/include"), Path("/opt/homebrew/include"))


class SimavrTransport(ProcessTransport):
    """A :class:`~edgekit.device.transport.Transport` to USART0 of an emulated AVR.

    Bytes take the time that they take on the line, measured by the chip's own clock, which runs as fast as
    this computer can. Raises ToolchainError where simavr or a C compiler is not installed, UsageError for an
    image that does not start at address 0.
    """

    def __init__(self, board: Board, image: Path) -> None:
        address = read_segments(image)[0].address
        if address != 0:
            raise UsageError(f"{image} starts at {address:#x}; a program of an AVR starts at 0.")
        self._folder = tempfile.TemporaryDirectory(prefix="edgekit-simavr-")
        folder = Path(self._folder.name)
        program = _compiled(board.name, folder / "simavr_board")
        flash = folder / "flash.bin"
        flash.write_bytes(flash_image(image))
        machine = board.emulator.machine if board.emulator is not None else ""
        baud = board.serial.baud if board.serial is not None else DEFAULT_BAUD
        command = [str(program), machine, str(board.mcu.clock_hz), str(baud), str(flash)]
        super().__init__(command, f"simavr with the firmware of {board.name}")

    def close(self) -> None:
        """Ends the process."""
        super().close()
        self._folder.cleanup()


def find_simavr() -> str | None:
    """Where simavr's headers are, and a C compiler; None where either is missing. Starts no program."""
    folders = [folder / "simavr" for folder in _INCLUDE_FOLDERS]
    found = next((folder for folder in folders if (folder / "sim_avr.h").is_file()), None)
    return str(found) if found is not None and shutil.which("cc") is not None else None


def find_compiler(board: str) -> str:
    """What compiles the emulator. Raises ToolchainError where it is not installed."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise ToolchainError(f"cc, which compiles the emulator of {board}, is not on PATH. {HOW_TO_GET}")
    return compiler


def _compiled(board: str, program: Path) -> Path:
    """``program``, made of the source beside this module."""
    compiler = find_compiler(board)
    command = [compiler, *_FLAGS, str(_SOURCE), *_LIBRARIES, "-o", str(program)]
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMPILE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{compiler} could not compile the emulator of {board}: {error}.") from error
    if completed.returncode != 0:
        said = "\n".join(completed.stderr.strip().splitlines()[:_SHOWN_LINES])
        raise ToolchainError(
            f"the emulator of {board} could not be compiled with simavr. {HOW_TO_GET} {compiler} "
            f"said:\n{said}"
        )
    return program


HOW_TO_GET = "Install both (Debian, Ubuntu: `apt install gcc libc6-dev libsimavr-dev`)."
