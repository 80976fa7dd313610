"""Writes UF2 files, which boot ROMs that show themselves as a USB drive take by copying.

The format: https://github.com/microsoft/uf2. Each block of 512 bytes carries a page of flash and says
where it belongs, so the drive may receive blocks in any order.

Needs nothing but Python, so that projects can carry this file: ``python uf2.py IMAGE.elf FAMILY FILE.uf2``.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

FAMILIES = {"RP2040": 0xE48B_FF56, "RP2350": 0xE48B_FF59}
"""Family ids by ``mcu.name``: a boot ROM ignores blocks of another family."""

ABSOLUTE_FAMILY = 0xE48B_FF57
"""Of blocks that an RP2350 takes whatever its partitions are."""

PAGE_BYTES = 256
BLOCK_BYTES = 512
SECTOR_BYTES = 4096
"""What flash erases at once. An RP2040 may lose pages of a sector that is not whole (RP2040-E14)."""

_MAGIC_START = (0x0A32_4655, 0x9E5D_5157)
_MAGIC_END = 0x0AB1_6F30
_FAMILY_ID_PRESENT = 0x2000
_EXTENSION_PRESENT = 0x8000
_HEADER = struct.Struct("<8I")
# What must come first for the boot ROM of early RP2350 (A2) to take the rest (data sheet, RP2350-E10): a
# block of another family, which its extension tells later ROMs to ignore. picotool writes the same
# (elf2uf2.cpp, gen_abs_block): it calls itself the first of two, and those behind it do not count it.
_ERRATUM_ADDRESS = 0x10FF_FF00
_ERRATUM_BLOCKS = 2
_IGNORE_BLOCK = 0x9957_E304
_PT_LOAD = 1


def uf2_image(image: bytes, address: int, family: int) -> bytes:
    """``image``, which belongs at ``address`` in flash, as a UF2 file of whole sectors.

    What is added reads as erased flash; the file for an RP2350 begins with the block of RP2350-E10. Raises
    ValueError for an address that is not a sector's, or an image without bytes.
    """
    if address % SECTOR_BYTES or not image:
        raise ValueError(
            f"an image of {len(image):,} bytes for address {address:#x} cannot become a UF2 file: it must "
            f"have bytes and begin at a multiple of {SECTOR_BYTES}."
        )
    sectors = image.ljust(-(-len(image) // SECTOR_BYTES) * SECTOR_BYTES, b"\xff")
    pages = [sectors[start : start + PAGE_BYTES] for start in range(0, len(sectors), PAGE_BYTES)]
    blocks = [
        _block(page, address + number * PAGE_BYTES, number, len(pages), family)
        for number, page in enumerate(pages)
    ]
    return b"".join([_erratum_block(), *blocks] if family == FAMILIES["RP2350"] else blocks)


def _erratum_block() -> bytes:
    page, extension = b"\xef" * PAGE_BYTES, struct.pack("<I", _IGNORE_BLOCK)
    return _block(page, _ERRATUM_ADDRESS, 0, _ERRATUM_BLOCKS, ABSOLUTE_FAMILY, extension)


def _block(page: bytes, address: int, number: int, count: int, family: int, extension: bytes = b"") -> bytes:
    flags = _FAMILY_ID_PRESENT | (_EXTENSION_PRESENT if extension else 0)
    header = _HEADER.pack(*_MAGIC_START, flags, address, len(page), number, count, family)
    end = struct.pack("<I", _MAGIC_END)
    return (header + page + extension).ljust(BLOCK_BYTES - len(end), b"\0") + end


def _flash_of(elf: bytes) -> tuple[int, bytes]:
    """Load address and bytes of a 32-bit little-endian ELF file's flash; gaps are zeros."""
    table, entry_bytes, entries = (*struct.unpack_from("<I", elf, 28), *struct.unpack_from("<2H", elf, 42))
    segments = []
    for number in range(entries):
        kind, offset, _, address, size = struct.unpack_from("<5I", elf, table + number * entry_bytes)
        if kind == _PT_LOAD and size:
            segments.append((address, elf[offset : offset + size]))
    start = min(address for address, _ in segments)
    image = bytearray(max(address + len(data) for address, data in segments) - start)
    for address, data in segments:
        image[address - start : address - start + len(data)] = data
    return start, bytes(image)


def main(arguments: list[str]) -> None:
    """``IMAGE.elf FAMILY FILE.uf2``; FAMILY is a number as Python writes it."""
    source, family, target = arguments
    address, image = _flash_of(Path(source).read_bytes())
    Path(target).write_bytes(uf2_image(image, address, int(family, 0)))


if __name__ == "__main__":
    main(sys.argv[1:])
