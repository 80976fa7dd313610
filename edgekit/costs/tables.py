"""Measured costs of the kernels and of the rest of an image, for a core and a compiler.

``benchmarks/calibrate.py`` writes a file for each pair; a pair without one was never measured, and then
nothing is predicted. The tests measure real networks again, and so notice when a kernel has changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import msgspec

from edgekit.records import Record

_FOLDER = Path(__file__).resolve().parent / "tables"

_LEVELS = {"ram": "size", "size": "size", "speed": "speed"}
"""What compilers optimize for, by ``--optimize``."""

_MEASURED_AS = {
    "cortex-m0plus": "cortex-m0",
    "cortex-m4": "cortex-m4f",
    "cortex-m7f": "cortex-m4f",
    "cortex-m33f": "cortex-m4f",
}
"""Cores that run nearly the same code as another one that was measured: assembly is the same, and what
compilers make of C differs little.
"""


class Refers(Protocol):
    """A part of an image that brings others with it."""

    @property
    def refers_to(self) -> Iterable[str]:
        """Their names."""


def reached(parts: Mapping[str, Refers], roots: Iterable[str]) -> set[str]:
    """The names of all parts that ``roots`` bring into an image, directly or not, themselves included; also
    of those that are not among ``parts``.
    """
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += parts[name].refers_to if name in parts else ()
    return found


class Piece(Record, frozen=True):
    """A function or constant of the kernels: its bytes, and the others that the linker keeps with it."""

    size_bytes: int
    refers_to: tuple[str, ...] = ()


class Variable(Record, frozen=True):
    """A zeroed variable. Of those whose size depends on the model, the size is that of another model."""

    name: str
    size_bytes: int
    alignment: int


class Harness(Record, frozen=True):
    """All of an image but the model and its kernels: start-up, port, link, engine.

    ``flash_bytes`` are its code and constants. ``pieces`` are those of them that kernels use, too.
    ``variables`` are all zeroed ones of an image in their order, the model's included; ``data_bytes`` the
    others.
    """

    flash_bytes: int
    data_bytes: int
    variables: tuple[Variable, ...]
    pieces: tuple[str, ...]


class Level(Record, frozen=True):
    """Costs at one level of optimization. ``instructions`` of a kernel for each kind of work; ``pieces`` by
    name; ``harnesses`` by the port of the board.
    """

    instructions: dict[str, dict[str, float]]
    pieces: dict[str, Piece]
    harnesses: dict[str, Harness]


class CostTable(Record, frozen=True):
    """What was measured for a core with a compiler."""

    core: str
    compiler: str
    levels: dict[str, Level]

    def level(self, optimize: str) -> Level | None:
        """The costs of what is built with ``optimize``; None where that was not measured."""
        return self.levels.get(_LEVELS[optimize])


def measured_core(core: str) -> str:
    """The core that was measured for ``core``: another one where both run the same code."""
    return _MEASURED_AS.get(core, core)


def cost_table(core: str, toolchain: str) -> CostTable | None:
    """The costs for ``core`` with ``toolchain`` ("zig", "gcc"); None where they were not measured."""
    return _read(table_path(measured_core(core), toolchain))


@lru_cache
def _read(path: Path) -> CostTable | None:
    return msgspec.json.decode(path.read_bytes(), type=CostTable) if path.is_file() else None


def table_path(core: str, toolchain: str) -> Path:
    """Where the costs for ``core`` with ``toolchain`` are kept."""
    return _FOLDER / f"{core}-{toolchain}.json"
