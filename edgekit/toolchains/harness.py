"""How much of an image is the test harness: start-up, port and link, which a program of one's own replaces.

The rest is what runs the model (engine, kernels, plan, parameters), the compiler's library, and the gaps that
alignment leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgekit.toolchains.elf import flash_image, read_placed_symbols, read_strings

_FOLDERS = ("link/", "port/")


@dataclass(frozen=True)
class HarnessSizes:
    """Bytes of flash that the harness takes among an image's code and among its constants."""

    code_bytes: int
    constant_bytes: int


def harness_sizes(image: Path, objects: Sequence[tuple[str, Path]]) -> HarnessSizes | None:
    """What the harness takes in the bare-metal ``image``; None where it has no symbols.

    ``objects`` are the project's sources, each with the object file that was made of it.
    """
    harness = [path for source, path in objects if source.startswith(_FOLDERS)]
    others = [path for source, path in objects if not source.startswith(_FOLDERS)]
    files = {PurePosixPath(source).name for source, _ in objects if source.startswith(_FOLDERS)}
    names = {symbol.name for path in harness for symbol in read_placed_symbols(path) if not symbol.file}
    symbols = read_placed_symbols(image)
    if not symbols:
        return None
    # One function may have several names.
    own = {
        (symbol.kind, symbol.address, symbol.size_bytes)
        for symbol in symbols
        if (symbol.file in files if symbol.file else symbol.name in names)
    }
    sizes = {kind: sum(size for of, _, size in own if of == kind) for kind in ("code", "constant")}
    strings = _strings(harness) - _strings(others)
    return HarnessSizes(sizes["code"], sizes["constant"] + _kept_bytes(strings, flash_image(image)))


def _strings(objects: Iterable[Path]) -> set[bytes]:
    return {text for path in objects for text in read_strings(path)}


def _kept_bytes(strings: Iterable[bytes], content: bytes) -> int:
    """Bytes of those strings that the linker did not drop together with what uses them."""
    return sum(len(text) + 1 for text in strings if text + b"\0" in content)
