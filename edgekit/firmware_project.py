"""A firmware project as a value: its files and how they become an image.

``edgekit.projects`` makes and writes projects, ``edgekit.toolchains`` compiles them; both know this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.codegen.layers import Program
    from edgekit.codegen.memory_plan import MemoryPlan


@dataclass(frozen=True)
class EngineFiles:
    """What an engine brings into a project, whatever the framework.

    ``generate`` makes the files of the project's folder ``model/``: their names and texts; ``sources`` are
    files of ``firmware/`` that are compiled with them. ``arena_bytes`` is the RAM that the model asks
    of its caller, ``constant_bytes`` what it puts into flash besides code; ``model_bytes`` of those are the
    model's own arrays: weights, biases and factors, or the .tflite as a whole. Where the input is streamed,
    ``whole_input_arena_bytes`` is the arena that it would take otherwise. ``lowered`` is what the engine aot
    generated its files from, None for other engines.
    """

    generate: Callable[[], Mapping[str, str]]
    sources: tuple[str, ...]
    arena_bytes: int
    constant_bytes: int
    model_bytes: int
    whole_input_arena_bytes: int | None = None
    lowered: tuple[Program, MemoryPlan] | None = None


@dataclass(frozen=True)
class Recipe:
    """How a project is compiled; every path is relative to the project's folder.

    ``linker_script`` is None for a program of an operating system; otherwise the image is
    freestanding and starts at the script's entry. ``defines`` are ``NAME`` or ``NAME=VALUE``.
    ``uf2_family`` is the id of the chip whose boot ROM takes the image as a UF2 file, None elsewhere.
    ``needs_tflm`` says that C++ sources are compiled with, and linked to, a TFLite Micro that the user names.
    """

    sources: tuple[str, ...]
    include_folders: tuple[str, ...]
    defines: tuple[str, ...] = ()
    linker_script: str | None = None
    uf2_family: int | None = None
    needs_tflm: bool = False


@dataclass(frozen=True)
class Project:
    """``files`` maps relative POSIX paths to contents; ``executables`` are those a person may run."""

    name: str
    files: Mapping[str, bytes]
    recipe: Recipe
    executables: frozenset[str] = frozenset()
