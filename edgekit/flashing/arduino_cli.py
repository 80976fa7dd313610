"""Arduino boards: ``arduino-cli upload``, which knows each board's boot loader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit.boards import Board
from edgekit.device.ports import DEFAULT_BAUD, split_baud
from edgekit.errors import UsageError
from edgekit.flashing.tool import PORT_FAILURES, RETRY, KnownFailure, find_tool, run_tool
from edgekit.toolchains.sdk import SDK_BUILD_FOLDER

_TIMEOUT_S = 300.0
_HOW_TO_GET_IT = "See https://arduino.github.io/arduino-cli/latest/installation, or use the Arduino IDE."

_FAILURES = (
    KnownFailure(
        r"Platform .* (is )?not (found|installed)|platform not installed|Unknown FQBN|Error resolving FQBN",
        "The board's platform is not installed: `edgekit build` with the sketch's profile installs it.",
    ),
    *PORT_FAILURES,
    KnownFailure(
        r"out of sync|stk500|not responding|No device found|programmer is not responding|SAM-BA|"
        r"No DFU capable|Failed uploading: no upload port|dfu-util",
        f"The boot loader does not answer: press reset twice within half a second, then {RETRY[0].lower()}"
        f"{RETRY[1:]}",
    ),
    KnownFailure(
        r"Expected signature|device signature .* (is|=)|wrong (device|board)",
        "Another chip is at {what} than the board's: is --board right, is --port right?",
    ),
    KnownFailure(r"too big|exceeds|text section", "The program is larger than the board's flash."),
)


def flash_with_arduino_cli(
    board: Board, image: Path, project: Path | None, port: str, say: Callable[[str], None]
) -> None:
    """Uploads what arduino-cli built in ``project``, or else the binaries beside ``image``, to ``port``.

    A sketch in ``project`` is uploaded under its profile of the board's name, whose platform may be
    installed for it alone; else the board's FQBN, ``flash.target``, says what it is. Raises DeviceError
    where it fails, ToolchainError where arduino-cli is not installed.
    """
    if "://" in port:
        raise UsageError(f"arduino-cli uploads through serial ports of this computer, not through {port}.")
    tool = find_tool("arduino-cli", None, _HOW_TO_GET_IT)
    name, _ = split_baud(port, DEFAULT_BAUD)
    sketch = _sketch_with_profile(project)
    if sketch is None and not board.flash.target:
        raise UsageError(f"the profile of {board.name} does not say flash.target, the board's FQBN.")
    which = ["--fqbn", board.flash.target] if sketch is None else ["--profile", board.name, str(sketch)]
    built = project / SDK_BUILD_FOLDER if project is not None else image.parent
    folder = (built if built.is_dir() else image.parent).resolve()
    say(f"uploading {image.name} to {name} with arduino-cli")
    run_tool(
        [*tool, "upload", "--no-color", "--port", name, "--input-dir", str(folder), *which],
        name="arduino-cli",
        what=name,
        timeout_s=_TIMEOUT_S,
        failures=_FAILURES,
    )


def _sketch_with_profile(project: Path | None) -> Path | None:
    """The folder of the project's sketch, if a sketch.yaml lies in it."""
    folders = sorted(path for path in project.glob("*") if path.is_dir()) if project is not None else []
    found = (folder for folder in folders if (folder / "sketch.yaml").is_file())
    first = next(found, None)
    return None if first is None else first.resolve()
