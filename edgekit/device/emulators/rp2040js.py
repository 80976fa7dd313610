"""A Raspberry Pi Pico emulated by rp2040js, an npm package, in a process of Node.js.

What runs is the UF2 file that would be copied to the board's drive, from the boot ROM's check of the
second boot stage on. ``rp2040js_board.mjs`` beside this module is that process.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from edgekit.boards import Board
from edgekit.device.emulators.process import ProcessTransport
from edgekit.errors import ToolchainError
from edgekit.toolchains.elf import flash_image, read_segments
from edgekit.toolchains.uf2 import FAMILIES, uf2_image

PACKAGE = "rp2040js"
FOLDER_VARIABLE = "EDGEKIT_RP2040JS"
"""Environment variable: the package's folder, or one whose ``node_modules`` holds it."""

_SCRIPT = Path(__file__).with_name("rp2040js_board.mjs")
_GLOBAL_FOLDERS = (Path("/usr/local/lib"), Path("/usr/lib"), Path("/usr/share"), Path("/opt/homebrew/lib"))


class Rp2040jsTransport(ProcessTransport):
    """A :class:`~edgekit.device.transport.Transport` to UART0 of an emulated Pico.

    Bytes arrive as fast as the program takes them, not at the pace of a baud rate. ``count_instructions``
    has every instruction take one cycle, so that the firmware's SysTick counts instructions. Raises
    ToolchainError where Node.js or the package is not installed.
    """

    def __init__(self, board: Board, image: Path, *, count_instructions: bool = False) -> None:
        command = [find_node(board.name), str(_SCRIPT), str(find_rp2040js(board.name))]
        self._folder = tempfile.TemporaryDirectory(prefix="edgekit-rp2040js-")
        drive_file = Path(self._folder.name) / "firmware.uf2"
        address = read_segments(image)[0].address
        drive_file.write_bytes(uf2_image(flash_image(image), address, FAMILIES["RP2040"]))
        command += [str(drive_file), *(["--count"] if count_instructions else [])]
        super().__init__(command, f"{PACKAGE} with the firmware of {board.name}")

    def close(self) -> None:
        """Ends the process."""
        super().close()
        self._folder.cleanup()


def find_rp2040js(board: str) -> Path:
    """The package's folder: from $EDGEKIT_RP2040JS, else where Node.js finds packages from here.

    Raises ToolchainError that says how to get it for ``board``.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    here = Path.cwd()
    folders = [Path(named)] if named else [here, *here.parents, *_GLOBAL_FOLDERS]
    for folder in folders:
        for candidate in (folder, folder / "node_modules" / PACKAGE):
            if _is_package(candidate):
                return candidate.resolve()
    raise ToolchainError(
        f"{PACKAGE}, which emulates {board}, was not found {f'in {named}' if named else 'from here'}. "
        f"Install it with `npm install {PACKAGE}` in a folder of your own and set {FOLDER_VARIABLE} to that "
        "folder."
    )


def _is_package(folder: Path) -> bool:
    try:
        description = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("name") == PACKAGE


def find_node(board: str) -> str:
    """The path of Node.js. Raises ToolchainError where it is not installed."""
    found = shutil.which("node")
    if found is None:
        raise ToolchainError(
            f"node (Node.js 18 or later), which runs the emulator of {board}, is not on PATH. Install it "
            "(Debian, Ubuntu: `apt install nodejs npm`)."
        )
    return found
