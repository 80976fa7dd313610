"""Boards whose boot ROM shows itself as a USB drive: the UF2 file is copied onto it.

The format: https://github.com/microsoft/uf2. A drive says what it is in INFO_UF2.TXT.
"""

from __future__ import annotations

import os
import re
import string
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgekit.boards import Board
from edgekit.errors import DeviceError, DoesNotFitError, UsageError
from edgekit.flashing.tool import RETRY
from edgekit.text import printable_name
from edgekit.toolchains.uf2 import ABSOLUTE_FAMILY

INFO_FILE = "INFO_UF2.TXT"
_LARGEST_INFO_BYTES = 4096
_BLOCK_BYTES = 512
_CHUNK_BYTES = 32 * _BLOCK_BYTES
_BLOCK_HEADER = struct.Struct("<8I")
_MAGIC_START = (0x0A324655, 0x9E5D5157)
_MAGIC_END = struct.pack("<I", 0x0AB16F30)
_FAMILY_ID_PRESENT = 0x2000
# Families whose blocks a boot ROM takes, by its Board-ID (https://github.com/microsoft/uf2,
# utils/uf2families.json; RP2350 data sheet, 5.5.3): all others it ignores without a word.
_FAMILIES = {
    "RPI-RP2": {0xE48BFF56: "RP2040"},
    "RP2350": {ABSOLUTE_FAMILY: "absolute", 0xE48BFF59: "RP2350, Arm", 0xE48BFF5A: "RP2350, RISC-V"},
}
_RESTART_TIMEOUT_S = 15.0
_POLL_S = 0.1

_ENTER_BOOT_MODE = (
    "Hold the board's BOOTSEL button while you plug it in (other boards: press reset twice), so that it "
    "shows itself as a USB drive; where drives are not mounted by themselves, mount it. Or name its folder "
    "with --drive."
)


def flash_with_uf2(
    board: Board,
    image: Path,
    drive: Path | None,
    say: Callable[[str], None],
    places: Sequence[Path] | None = None,
) -> None:
    """Copies the UF2 file that was built with ``image`` onto the board's drive, and waits for its restart.

    ``drive`` names the folder of the drive; else it is looked for in ``places`` (None: where this system
    mounts drives). Raises UsageError where several could be meant or the file is none for the board,
    DeviceError where there is no drive or it vanishes before the whole file is on it.
    """
    source = image if image.suffix == ".uf2" else image.with_suffix(".uf2")
    content = _read_image(source, board)
    target = _check_drive(drive, board) if drive is not None else find_drive(board, places)
    say(f"copying {source.name} ({len(content):,} bytes) to {target}")
    _copy(content, target / "firmware.uf2")
    if not _vanishes(target / INFO_FILE):
        raise DeviceError(
            f"{target} has taken the whole file but the board did not restart. Was it built for this board? "
            f"{RETRY}"
        )
    say("the board has taken it and restarts")


def find_drive(board: Board, places: Sequence[Path] | None = None) -> Path:
    """The one drive whose Board-ID is the board's ``flash.target``."""
    drives = {place: _board_id(place) for place in (drive_places() if places is None else places)}
    boot_drives = {place: found for place, found in drives.items() if found is not None}
    matching = [place for place, found in boot_drives.items() if found == board.flash.target]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(
            f"{len(matching)} drives could be {board.name}: {', '.join(map(str, matching))}. "
            "Name one with --drive."
        )
    others = ", ".join(f"{place} is {found}" for place, found in boot_drives.items())
    seen = f" There is another board's: {others}." if others else ""
    raise DeviceError(
        f"there is no boot drive of {board.name} ({board.flash.target}).{seen} {_ENTER_BOOT_MODE}"
    )


def drive_places() -> list[Path]:
    """Folders where this system may have mounted a drive."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase[2:]]
    if sys.platform == "darwin":
        return _folders_in(Path("/Volumes"))
    mounted = [Path(mount) for mount in mount_points(Path("/proc/mounts"))]
    parents = [Path("/media"), Path("/run/media"), Path("/mnt")]
    nested = [
        folder
        for parent in parents
        for place in _folders_in(parent)
        for folder in (place, *_folders_in(place))
    ]
    return list(dict.fromkeys(place.absolute() for place in (*mounted, *nested)))


def mount_points(table: Path) -> list[str]:
    """Where FAT drives are mounted, by the kernel's list (proc_mounts(5)), whose escapes are undone."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    rows = [line.split(" ") for line in lines]
    found = [row[1] for row in rows if len(row) > 2 and row[2] in {"vfat", "msdos", "fuseblk", "exfat"}]
    return [re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), mount) for mount in found]


def _folders_in(folder: Path) -> list[Path]:
    """Folders that can be listed; none where ``folder`` is not there or not ours."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _board_id(place: Path) -> str | None:
    """The Board-ID of the boot drive at ``place``, None where it is none."""
    try:
        with (place / INFO_FILE).open("rb") as file:
            text = file.read(_LARGEST_INFO_BYTES).decode("ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^Board-ID:[ \t]*(\S+)", text, re.MULTILINE)
    return None if found is None else printable_name(found[1])


def _check_drive(drive: Path, board: Board) -> Path:
    """``drive``, which must be the board's."""
    found = _board_id(drive)
    if found is None:
        raise UsageError(
            f"{drive} is no boot drive: it has no {INFO_FILE} with a Board-ID. {_ENTER_BOOT_MODE}"
        )
    if board.flash.target and found != board.flash.target:
        raise UsageError(
            f"the drive {drive} is of the board '{found}', but {board.name} is '{board.flash.target}'. "
            "Nothing was written. Name the right board with --board, or the right drive with --drive."
        )
    return drive


def _read_image(source: Path, board: Board) -> bytes:
    """The UF2 file's bytes. Raises UsageError where it is none, DoesNotFitError where it is too large."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {source}: {error.strerror}. Build it with `edgekit build --board {board.name}`."
        ) from error
    blocks = [content[start : start + _BLOCK_BYTES] for start in range(0, len(content), _BLOCK_BYTES)]
    headers = [_BLOCK_HEADER.unpack_from(block) for block in blocks if len(block) == _BLOCK_BYTES]
    counted = headers[1:] if _begins_with_erratum_block(headers) else headers
    whole = bool(counted) and len(headers) == len(blocks) and len(counted) == counted[0][6]
    valid = all(header[:2] == _MAGIC_START for header in headers)
    if not whole or not valid or not all(block.endswith(_MAGIC_END) for block in blocks):
        raise UsageError(f"{source} is damaged: it is no whole UF2 file. Build it again with --force.")
    _check_family(source, counted, board)
    payload_bytes = sum(header[4] for header in counted)
    available = board.mcu.flash_bytes
    if available is not None and payload_bytes > available:
        raise DoesNotFitError(board.name, "flash", payload_bytes, available, "Nothing was written.")
    return content


def _begins_with_erratum_block(headers: Sequence[tuple[int, ...]]) -> bool:
    """Whether the first block is that of RP2350-E10, which the others do not count as one of theirs."""
    families = [header[7] for header in headers]
    return families[:1] == [ABSOLUTE_FAMILY] and any(family != ABSOLUTE_FAMILY for family in families)


def _check_family(source: Path, headers: Sequence[tuple[int, ...]], board: Board) -> None:
    known = _FAMILIES.get(board.flash.target)
    families = {header[7] for header in headers if header[2] & _FAMILY_ID_PRESENT}
    if known is not None and families and not families & set(known):
        named = ", ".join(f"{family:#010x}" for family in sorted(families))
        wanted = ", ".join(f"{family:#010x} ({name})" for family, name in known.items())
        raise UsageError(
            f"{source} is for chips of the family {named}, which {board.name} ignores; it takes {wanted}. "
            "Is it another board's?"
        )


def _copy(content: bytes, target: Path) -> None:
    """Writes through to the drive, chunk by chunk.

    The board restarts as soon as it has the last block, often before the system hears that it was
    written: an error there is success, one before it is not.
    """
    written = 0
    try:
        with target.open("wb", buffering=0) as file:
            for start in range(0, len(content), _CHUNK_BYTES):
                file.write(content[start : start + _CHUNK_BYTES])
                written = min(start + _CHUNK_BYTES, len(content))
                os.fsync(file.fileno())
    except PermissionError as error:
        raise DeviceError(
            f"your user may not write to {target.parent}: {error.strerror}. Mount the drive for your user, "
            "or copy the .uf2 file onto it as one who may."
        ) from error
    except OSError as error:
        if written < len(content):
            raise DeviceError(
                f"{target.parent} vanished after {written:,} of {len(content):,} bytes: {error.strerror}. "
                f"{RETRY} Its boot ROM is in no danger."
            ) from error


def _vanishes(file: Path) -> bool:
    """Whether ``file`` disappears in time."""
    deadline_s = time.monotonic() + _RESTART_TIMEOUT_S
    while time.monotonic() < deadline_s:
        # Path.exists raises the input/output error of a drive that is gone but still mounted.
        if not os.path.exists(file):  # noqa: PTH110
            return True
        time.sleep(_POLL_S)
    return False
