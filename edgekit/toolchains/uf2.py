"""Writes UF2 files, which boot ROMs that show themselves as a USB drive take by copying.

The format: https://github.com/microsoft/uf2. Each block of 512 bytes carries a page of flash and says
where it belongs, so the drive may receive blocks in any order.
"""

from __future__ import annotations

import struct

from edgekit.errors import ToolchainError

FAMILIES = {"RP2040": 0xE48B_FF56}
"""Family ids by ``mcu.name``: a boot ROM ignores blocks of another family."""

PAGE_BYTES = 256
BLOCK_BYTES = 512
SECTOR_BYTES = 4096
"""What flash erases at once. An RP2040 may lose pages of a sector that is not whole (RP2040-E14)."""

_MAGIC_START = (0x0A32_4655, 0x9E5D_5157)
_MAGIC_END = 0x0AB1_6F30
_FAMILY_ID_PRESENT = 0x2000
_HEADER = struct.Struct("<8I")


def uf2_image(image: bytes, address: int, family: int) -> bytes:
    """``image``, which belongs at ``address`` in flash, as a UF2 file of whole sectors.

    What is added reads as erased flash. Raises ToolchainError for an address that is not a sector's, or an
    image without bytes.
    """
    if address % SECTOR_BYTES or not image:
        raise ToolchainError(
            f"an image of {len(image):,} bytes for address {address:#x} cannot become a UF2 file: it must "
            f"have bytes and begin at a multiple of {SECTOR_BYTES}."
        )
    sectors = image.ljust(-(-len(image) // SECTOR_BYTES) * SECTOR_BYTES, b"\xff")
    pages = [sectors[start : start + PAGE_BYTES] for start in range(0, len(sectors), PAGE_BYTES)]
    return b"".join(
        _block(page, address + number * PAGE_BYTES, number, len(pages), family)
        for number, page in enumerate(pages)
    )


def _block(page: bytes, address: int, number: int, count: int, family: int) -> bytes:
    header = _HEADER.pack(*_MAGIC_START, _FAMILY_ID_PRESENT, address, len(page), number, count, family)
    end = struct.pack("<I", _MAGIC_END)
    return (header + page).ljust(BLOCK_BYTES - len(end), b"\0") + end
