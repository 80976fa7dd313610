"""What an ELF image holds: sizes, symbols, and the bytes that go into flash."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError, ELFParseError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from edgekit.errors import ToolchainError

# A linker script may place a stray section anywhere in 4 GB; no flash here is larger than this.
_LARGEST_FLASH_BYTES = 64 << 20


@dataclass(frozen=True)
class ElfSizes:
    """Bytes of an image: code, constants (vectors included), initialised data, zeroed data, stack.

    ``stack`` is what the linker script reserves, 0 for programs of an operating system.
    """

    code_bytes: int
    constant_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int

    @property
    def flash_bytes(self) -> int:
        """Code, constants and the initial values of data."""
        return self.code_bytes + self.constant_bytes + self.data_bytes

    @property
    def ram_bytes(self) -> int:
        """Data, zeroed data and the reserved stack."""
        return self.data_bytes + self.bss_bytes + self.stack_bytes


@dataclass(frozen=True)
class ElfSymbol:
    """A function or object of an image. ``address`` without the Thumb bit."""

    name: str
    address: int
    size_bytes: int
    is_function: bool


@dataclass(frozen=True)
class PlacedSymbol:
    """A function or object and where it is: ``kind`` is "code", "constant", "data" or "bss", its section's.

    ``file`` is the source's file name, without folders, for names that only this file knows; else None.
    """

    name: str
    file: str | None
    address: int
    size_bytes: int
    kind: str
    is_function: bool


@dataclass(frozen=True)
class ElfSegment:
    """Bytes that are loaded at ``address`` (the load address: for .data that is in flash)."""

    address: int
    data: bytes


def is_elf(path: Path) -> bool:
    """Whether the file starts like an ELF file."""
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def read_sizes(path: Path) -> ElfSizes:
    """Sizes of the image at ``path``, from its sections. Raises ToolchainError for a broken file.

    Some linker scripts, an AVR's among them, put constants between code; symbols tell them apart.
    """
    among_code = {
        symbol.address: symbol.size_bytes
        for symbol in read_placed_symbols(path)
        if symbol.kind == "code" and not symbol.is_function
    }
    constant_bytes = sum(among_code.values())
    totals = {"code": -constant_bytes, "constant": constant_bytes, "data": 0, "bss": 0, "stack": 0}
    with _open_elf(path) as elf:
        for section in elf.iter_sections():
            # ESP-IDF's linker scripts keep addresses free with sections that hold nothing.
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and not section.name.endswith("dummy"):
                totals[_kind(section)] += section["sh_size"]
    return ElfSizes(**{f"{kind}_bytes": size for kind, size in totals.items()})


def read_symbols(path: Path) -> tuple[ElfSymbol, ...]:
    """Functions and objects with a size, by address. Empty for a stripped image."""
    with _open_elf(path) as elf:
        tables = [table for table in elf.iter_sections() if isinstance(table, SymbolTableSection)]
        found = [
            ElfSymbol(
                symbol.name,
                symbol["st_value"] & ~1 if symbol["st_info"]["type"] == "STT_FUNC" else symbol["st_value"],
                symbol["st_size"],
                symbol["st_info"]["type"] == "STT_FUNC",
            )
            for table in tables
            for symbol in table.iter_symbols()
            if symbol["st_size"] > 0 and symbol["st_info"]["type"] in {"STT_FUNC", "STT_OBJECT"}
        ]
    return tuple(sorted(set(found), key=lambda symbol: (symbol.address, symbol.name)))


def read_placed_symbols(path: Path) -> tuple[PlacedSymbol, ...]:
    """The same of an image or of an object file, with their sources, in the file's order."""
    found: list[PlacedSymbol] = []
    with _open_elf(path) as elf:
        kinds = [_kind(section) for section in elf.iter_sections()]
        for table in elf.iter_sections():
            file = None
            for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
                info = symbol["st_info"]
                if info["type"] == "STT_FILE":
                    file = symbol.name
                elif symbol["st_size"] > 0 and info["type"] in {"STT_FUNC", "STT_OBJECT"}:
                    is_local = info["bind"] == "STB_LOCAL"
                    kind = kinds[symbol["st_shndx"]] if isinstance(symbol["st_shndx"], int) else "data"
                    address, size_bytes = symbol["st_value"], symbol["st_size"]
                    found.append(
                        PlacedSymbol(
                            symbol.name,
                            file if is_local else None,
                            address,
                            size_bytes,
                            kind,
                            info["type"] == "STT_FUNC",
                        )
                    )
    return tuple(found)


def read_strings(path: Path) -> tuple[bytes, ...]:
    """The string literals of an object file, without the NUL at their ends."""
    with _open_elf(path) as elf:
        return tuple(
            text
            for section in elf.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_STRINGS and section["sh_flags"] & SH_FLAGS.SHF_ALLOC
            for text in section.data().split(b"\0")[:-1]
        )


def symbol_at(path: Path, address: int) -> ElfSymbol | None:
    """The function that ``address`` lies in, or None. For fault reports; reads the file anew."""
    for symbol in read_symbols(path):
        if symbol.is_function and symbol.address <= address < symbol.address + symbol.size_bytes:
            return symbol
    return None


def read_segments(path: Path) -> tuple[ElfSegment, ...]:
    """The segments with bytes to load, by address. Raises ToolchainError for a broken file."""
    with _open_elf(path) as elf:
        segments = [
            ElfSegment(segment["p_paddr"], bytes(segment.data()))
            for segment in elf.iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"] > 0
        ]
    return tuple(sorted(segments, key=lambda segment: segment.address))


def flash_image(path: Path) -> bytes:
    """The raw bytes to program, from the lowest load address on; gaps are zeros, as objcopy has it."""
    segments = read_segments(path)
    if not segments:
        raise ToolchainError(f"{path} holds nothing to load into flash.")
    start = segments[0].address
    end = max(segment.address + len(segment.data) for segment in segments)
    if end - start > _LARGEST_FLASH_BYTES:
        raise ToolchainError(
            f"{path} spreads over {end - start:,} bytes of addresses; check its linker script."
        )
    image = bytearray(end - start)
    for segment in segments:
        offset = segment.address - start
        image[offset : offset + len(segment.data)] = segment.data
    return bytes(image)


def size_listing(path: Path, sizes: ElfSizes) -> str:
    """What takes the room, for a person: the totals, then every symbol, largest first."""
    totals = "".join(
        f"{name:<12}{size:>12,}\n"
        for name, size in (
            ("code", sizes.code_bytes),
            ("constants", sizes.constant_bytes),
            ("data", sizes.data_bytes),
            ("bss", sizes.bss_bytes),
            ("stack", sizes.stack_bytes),
            ("flash", sizes.flash_bytes),
            ("RAM", sizes.ram_bytes),
        )
    )
    symbols = read_symbols(path) if is_elf(path) else ()
    largest_first = sorted(symbols, key=lambda symbol: (-symbol.size_bytes, symbol.name))
    lines = [f"{symbol.size_bytes:>12,}  0x{symbol.address:08x}  {symbol.name}\n" for symbol in largest_first]
    return f"{totals}\n{'bytes':>12}  {'address':<10}  symbol\n{''.join(lines)}" if lines else totals


@contextlib.contextmanager
def _open_elf(path: Path) -> Iterator[Any]:
    """The parsed file; whatever is wrong with it becomes a ToolchainError. pyelftools is untyped."""
    try:
        with path.open("rb") as stream:
            yield ELFFile(stream)
    except OSError as error:
        raise ToolchainError(f"cannot read the image {path}: {error.strerror}.") from error
    except (ELFError, ELFParseError, KeyError, ValueError, OverflowError) as error:
        raise ToolchainError(f"{path} is not a valid ELF image ({error}); compile it again.") from error


def _kind(section: Section) -> str:
    if section.name == ".stack":
        return "stack"
    flags = section["sh_flags"]
    if section["sh_type"] == "SHT_NOBITS":
        return "bss"
    if flags & SH_FLAGS.SHF_EXECINSTR:
        return "code"
    return "data" if flags & SH_FLAGS.SHF_WRITE else "constant"
