"""Espressif chips through their boot ROM, with esptool: the chip is detected before anything is written."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgekit.boards import Board, FrameworkName
from edgekit.device.ports import split_baud
from edgekit.errors import DeviceError, DoesNotFitError, UsageError
from edgekit.files import is_inside
from edgekit.flashing.tool import PORT_FAILURES, RETRY, KnownFailure, ToolFailedError, find_tool, run_tool
from edgekit.toolchains.sdk import SDK_BUILD_FOLDER

_DETECT_TIMEOUT_S = 60.0
_WRITE_TIMEOUT_S = 600.0
_IMAGE_TIMEOUT_S = 60.0
# Most USB adapters carry 460800; where one does not, the boot ROM's own rate always works.
_WRITE_BAUD, _SAFE_BAUD = 460800, 115200

DIRECT_BOOT_MAGIC = struct.pack("<II", 0xAEDB041D, 0xAEDB041D)
"""How an image begins that the boot ROM of an ESP32-C3 runs in place (Technical Reference Manual, 8.3)."""

_IMAGE_MAGIC = 0xE9
_IDF_LISTING = "flasher_args.json"
_PARTITION_ENTRY = struct.Struct("<HBBII16sI")
_PARTITION_MAGIC = 0x50AA
_FLASH_SETTING = re.compile(r"[A-Za-z0-9]+")
_RESET_MODE = re.compile(r"[a-z]+([_-][a-z]+)*")
_SIZE_UNITS = {"KB": 1 << 10, "MB": 1 << 20}

_FAILURES = (
    *PORT_FAILURES,
    KnownFailure(
        r"This chip is|Wrong chip argument|wrong --chip",
        "The chip at {what} is not the board's: is --board right, is --port right?",
    ),
    KnownFailure(
        r"download mode|Wrong boot mode|No serial data received|Failed to connect|"
        r"Timed out waiting for packet",
        "The chip is not in download mode: hold its BOOT button (IO0 to GND on an ESP32-CAM), press and let "
        "go RESET (EN), let go BOOT, and repeat `edgekit flash`.",
    ),
    KnownFailure(
        r"chip stopped responding|MD5 of file does not match|Invalid head of packet|Packet content transfer|"
        r"Write timeout|Failed to write|serial exception|lost connection",
        f"The connection was lost or damaged while writing: an unplugged or bad cable, or a weak "
        f"supply. {RETRY}",
        while_writing=True,
    ),
    KnownFailure(
        r"will not fit|flash regions larger|larger than the available",
        "The image is larger than the chip's flash: is mcu.flash_bytes of the profile the board's?",
    ),
    KnownFailure(
        r"No such command|invalid choice", "esptool 5 or newer is needed: `pip install 'edgekit[esp]'`."
    ),
)


class _FlashSettings(msgspec.Struct, frozen=True):
    flash_mode: str = "keep"
    flash_size: str = "keep"
    flash_freq: str = "keep"


class _EsptoolSettings(msgspec.Struct, frozen=True):
    before: str = "default-reset"
    after: str = "hard-reset"


class _FlasherArgs(msgspec.Struct, frozen=True):
    """The parts of ESP-IDF's build/flasher_args.json that are used here."""

    flash_files: dict[str, str]
    flash_settings: _FlashSettings = _FlashSettings()
    extra_esptool_args: _EsptoolSettings = _EsptoolSettings()


@dataclass(frozen=True)
class FlashPlan:
    """What goes where: ``files`` maps addresses in flash to files."""

    files: Mapping[int, Path]
    mode: str = "keep"
    size: str = "keep"
    frequency: str = "keep"
    before: str = "default-reset"
    after: str = "hard-reset"

    @property
    def end(self) -> int:
        """Bytes of flash that must be there, from address 0 on."""
        return max(address + path.stat().st_size for address, path in self.files.items())


@dataclass(frozen=True)
class Chip:
    """The chip that answered: its name as esptool's --chip wants it, and its flash (None: unknown)."""

    name: str
    flash_bytes: int | None


def flash_with_esptool(
    board: Board,
    framework: FrameworkName,
    image: Path,
    project: Path | None,
    port: str,
    say: Callable[[str], None],
) -> None:
    """Checks the images, then the chip at ``port``, then writes and restarts it.

    Raises DoesNotFitError where an image is larger than its place, DeviceError for a damaged image,
    another chip than ``flash.target``, or a failure, ToolchainError where esptool is not installed.
    """
    tool = find_tool("esptool", "esp")
    port_name, _ = split_baud(port, _SAFE_BAUD)
    plan = plan_flash(board, framework, image, project)
    check_images(tool, plan)
    chip = detect_chip(tool, port_name)
    if chip.name != board.flash.target:
        raise DeviceError(
            f"the chip at {port_name} is an {chip.name}, but {board.name} has an {board.flash.target}. "
            "Nothing was written. Name the right board with --board, or the right port with --port."
        )
    if chip.flash_bytes is not None and plan.end > chip.flash_bytes:
        raise _too_large(f"the chip at {port_name}", plan.end, chip.flash_bytes)
    say(f"writing {len(plan.files)} files, up to byte {plan.end:,}, to the {chip.name} at {port_name}")
    _write(tool, board.flash.target, port_name, plan, say)


def plan_flash(board: Board, framework: FrameworkName, image: Path, project: Path | None) -> FlashPlan:
    """What to write: what ESP-IDF's build says, or the raw image at 0 for direct boot.

    Raises UsageError where that is missing or not usable, DoesNotFitError where it is too large for the
    board's flash or for its partition.
    """
    if framework == "esp_idf":
        plan = _idf_plan(_idf_build_folder(project or image.parent), board.name)
    else:
        plan = _direct_boot_plan(image.with_suffix(".bin"))
    flash_bytes = board.mcu.flash_bytes
    if flash_bytes is not None and plan.end > flash_bytes:
        raise _too_large(board.name, plan.end, flash_bytes)
    _check_partitions(plan, board.name)
    return plan


def check_images(tool: list[str], plan: FlashPlan) -> None:
    """Raises DeviceError for an image whose checksum or digest is wrong.

    ``esptool image-info`` says so in words only: it ends with exit code 0 all the same.
    """
    for path in plan.files.values():
        with path.open("rb") as file:
            is_image = file.read(1) == bytes([_IMAGE_MAGIC])
        if not is_image:  # a partition table, data, or a direct boot image
            continue
        output = run_tool(
            [*tool, "image-info", str(path)], name="esptool", what=str(path), timeout_s=_IMAGE_TIMEOUT_S
        )
        if re.search(r"\(invalid\b|not a valid|Checksum: .*invalid", output):
            raise DeviceError(
                f"the image {path} is damaged: its checksum or digest is wrong. Nothing was written; build "
                "it again with `edgekit build --force`."
            )


def detect_chip(tool: list[str], port: str) -> Chip:
    """Which chip answers at ``port``. Raises DeviceError where none does."""
    output = run_tool(
        [*tool, "--port", port, "--baud", str(_SAFE_BAUD), "flash-id"],
        name="esptool",
        what=port,
        timeout_s=_DETECT_TIMEOUT_S,
        failures=_FAILURES,
    )
    found = re.search(r"^Connected to (\S+) on|^Chip type:\s+(\S+)", output, re.MULTILINE)
    if found is None:
        raise DeviceError(f"esptool did not say which chip is at {port}. Is it version 5 or newer?")
    size = re.search(r"Detected flash size: (\d+)(KB|MB)", output)
    flash_bytes = None if size is None else int(size[1]) * _SIZE_UNITS[size[2]]
    return Chip((found[1] or found[2]).lower().replace("-", ""), flash_bytes)


def _write(tool: list[str], chip: str, port: str, plan: FlashPlan, say: Callable[[str], None]) -> None:
    """Writes at the fast rate, and once more at the safe one where the connection did not bear it."""
    try:
        _write_at(_WRITE_BAUD, tool, chip, port, plan)
    except ToolFailedError as error:
        if error.failure is None or not error.failure.while_writing:
            raise
        say(f"writing at {_WRITE_BAUD} baud failed; trying once more at {_SAFE_BAUD}")
        _write_at(_SAFE_BAUD, tool, chip, port, plan)


def _write_at(baud: int, tool: list[str], chip: str, port: str, plan: FlashPlan) -> None:
    pairs = [text for address, path in sorted(plan.files.items()) for text in (f"{address:#x}", str(path))]
    run_tool(
        [
            *(*tool, "--chip", chip, "--port", port, "--baud", str(baud)),
            *("--before", plan.before, "--after", plan.after, "write-flash", "--no-progress"),
            *("--flash-mode", plan.mode, "--flash-size", plan.size, "--flash-freq", plan.frequency),
            *pairs,
        ],
        name="esptool",
        what=port,
        timeout_s=_WRITE_TIMEOUT_S,
        failures=_FAILURES,
    )


def _idf_build_folder(project: Path) -> Path:
    """Where edgekit had ESP-IDF build the project, or else where a person did."""
    own = project / SDK_BUILD_FOLDER
    return own if (own / _IDF_LISTING).is_file() else project / "build"


def _idf_plan(build_folder: Path, board: str) -> FlashPlan:
    listing = build_folder / _IDF_LISTING
    try:
        arguments = msgspec.json.decode(listing.read_bytes(), type=_FlasherArgs)
        files = {
            int(address, 16): _inside(build_folder, name) for address, name in arguments.flash_files.items()
        }
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no {error.filename}: ESP-IDF has not built the project. Build it with `edgekit build "
            f"--board {board}` where ESP-IDF is installed, or with `idf.py build` in the project's folder."
        ) from error
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise UsageError(f"{listing} is not usable: {error}. Build the project again.") from error
    settings, extra = arguments.flash_settings, arguments.extra_esptool_args
    modes = (settings.flash_mode, settings.flash_size, settings.flash_freq)
    resets = tuple(mode.replace("_", "-") for mode in (extra.before, extra.after))
    usable = all(map(_FLASH_SETTING.fullmatch, modes)) and all(map(_RESET_MODE.fullmatch, resets))
    if not files or not usable:
        raise UsageError(f"{listing} is not usable: it is not what ESP-IDF writes. Build the project again.")
    return FlashPlan(files, *modes, *resets)


def _inside(folder: Path, name: str) -> Path:
    """A file of the build folder. Raises ValueError for one outside, FileNotFoundError for none."""
    path = folder / name
    if not is_inside(path, folder):
        raise ValueError(f"'{name}' leads out of the build folder")
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    return path.resolve()


def _direct_boot_plan(binary: Path) -> FlashPlan:
    try:
        with binary.open("rb") as file:
            start = file.read(len(DIRECT_BOOT_MAGIC))
    except OSError as error:
        raise UsageError(f"cannot read the raw image {binary}: {error.strerror}. Build it again.") from error
    if start != DIRECT_BOOT_MAGIC:
        raise UsageError(
            f"{binary} does not begin with the magic numbers of direct boot, so the chip would not start it. "
            "Build it again with `edgekit build --force`."
        )
    return FlashPlan({0: binary.resolve()})


def _check_partitions(plan: FlashPlan, board: str) -> None:
    """Raises DoesNotFitError for a file that is larger than the partition that begins at its address."""
    for path in plan.files.values():
        for label, offset, size_bytes in read_partitions(path.read_bytes()):
            file = plan.files.get(offset)
            needed = file.stat().st_size if file is not None else 0
            if needed > size_bytes:
                raise _too_large(f"the partition '{label}' of {board}", needed, size_bytes)


def read_partitions(table: bytes) -> list[tuple[str, int, int]]:
    """Label, offset and size in bytes of each partition of a table; nothing where ``table`` is none.

    Format: ESP-IDF programming guide, "Partition Tables": entries of 32 bytes that begin with AA 50.
    """
    partitions = []
    for start in range(0, len(table) - _PARTITION_ENTRY.size + 1, _PARTITION_ENTRY.size):
        magic, _, _, offset, size_bytes, label, _ = _PARTITION_ENTRY.unpack_from(table, start)
        if magic != _PARTITION_MAGIC:
            break
        partitions.append((label.rstrip(b"\0").decode("ascii", errors="replace"), offset, size_bytes))
    return partitions


def _too_large(where: str, needed_bytes: int, available_bytes: int) -> DoesNotFitError:
    return DoesNotFitError(
        where, "flash", needed_bytes, available_bytes, "Nothing was written. Choose a smaller model or board."
    )
