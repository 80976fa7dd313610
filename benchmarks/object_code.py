"""What the sections of object files hold and what they refer to: which bytes of an image a function drags in.

Every function and constant has a section of its own (-ffunction-sections, -fdata-sections), and the linker
keeps what can be reached, so an image is the union of what its parts reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

_UNDEFINED = "SHN_UNDEF"


@dataclass(frozen=True)
class ObjectPiece:
    """A section of an object: the source it was compiled from, its bytes, whether they are zeroed variables,
    names and bytes of what lies in it, and the pieces that it refers to.
    """

    source: str
    size_bytes: int
    alignment: int
    is_zeroed: bool
    symbols: frozenset[tuple[str, int]]
    refers_to: frozenset[str]


def read_pieces(objects: Mapping[str, Path]) -> dict[str, ObjectPiece]:
    """The pieces of ``objects``, which are named after their sources. A piece has the name of its global
    symbol; others that of their source and section. What no object defines has no piece.
    """
    pieces: dict[str, ObjectPiece] = {}
    for source, path in objects.items():
        with path.open("rb") as stream:
            pieces |= _pieces_of(source, ELFFile(stream))
    return pieces


def symbol_bytes(image: Path) -> dict[str, int]:
    """Bytes of what the symbols of ``image`` name. Libraries in assembly give one of several names a size."""
    with image.open("rb") as stream:
        elf: Any = ELFFile(stream)
        symbols = [
            (symbol.name, symbol["st_value"] & ~1, symbol["st_size"])
            for symbol in elf.get_section_by_name(".symtab").iter_symbols()
            if symbol.name and symbol["st_shndx"] != _UNDEFINED
        ]
    at: dict[int, int] = {}
    for _, address, size_bytes in symbols:
        at[address] = max(at.get(address, 0), size_bytes)
    return {name: at[address] for name, address, _ in symbols}


def _pieces_of(source: str, elf: Any) -> dict[str, ObjectPiece]:
    names = _section_names(source, elf)
    symbols = elf.get_section_by_name(".symtab")
    references: dict[int, set[str]] = {index: set() for index in names}
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection) and section["sh_info"] in names:
            for relocation in section.iter_relocations():
                symbol = symbols.get_symbol(relocation["r_info_sym"])
                target = symbol["st_shndx"]
                name = symbol.name if target == _UNDEFINED else names.get(target)
                if name:
                    references[section["sh_info"]].add(name)
    sections = {name: elf.get_section(index) for index, name in names.items()}
    return {
        name: ObjectPiece(
            source,
            sections[name]["sh_size"],
            sections[name]["sh_addralign"],
            sections[name]["sh_type"] == "SHT_NOBITS",
            frozenset(
                (symbol.name, symbol["st_size"])
                for symbol in symbols.iter_symbols()
                if symbol["st_shndx"] == index and symbol["st_size"]
            ),
            frozenset(references[index] - {name}),
        )
        for index, name in names.items()
    }


def _section_names(source: str, elf: Any) -> dict[int, str]:
    """The name of each section that goes into an image."""
    names = {
        index: f"{source}{section.name}"
        for index, section in enumerate(elf.iter_sections())
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        and section["sh_size"]
        and not section.name.startswith((".ARM", ".eh_frame", ".comment"))
    }
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        is_named = symbol["st_info"]["bind"] in {"STB_GLOBAL", "STB_WEAK"} and symbol["st_size"]
        if is_named and symbol["st_shndx"] in names:
            names[symbol["st_shndx"]] = symbol.name
    return names
