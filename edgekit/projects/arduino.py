"""Projects for Arduino: a sketch folder, its build profile, everything else under ``src/``.

arduino-cli compiles ``src/`` recursively but adds no include path for it, and takes no compiler flags from
a sketch: includes are therefore written relative to the file they stand in, and definitions are a header
that every source includes first. (Arduino CLI documentation: "Sketch specification", "Sketch build
process".)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.costs.fit import AVR_HARNESS_RAM_BYTES
from edgekit.errors import DoesNotFitError, UnknownNameError
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import sdk_sources

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

PLATFORMS: Mapping[str, str] = {
    "arduino:avr": "1.8.7",
    "arduino:mbed_giga": "4.4.1",
    "arduino:mbed_nano": "4.4.1",
    "arduino:mbed_portenta": "4.4.1",
}
"""The platforms of the Arduino index that sketches are pinned to: the first two parts of a board's FQBN."""

TFLM_LIBRARY = "Chirale_TensorFLowLite"
"""TensorFlow Lite Micro in the Arduino index, spelled as there. Its state of early 2023, with CMSIS-NN's
kernels and the int8-only registrations; its last release is of July 2024."""
TFLM_LIBRARY_VERSION = "2.0.0"
TFLM_LIBRARY_HEADER = "Chirale_TensorFlowLite.h"

# The main thread of the mbed cores (ArduinoCore-mbed, variants/*/conf/mbed_app.json).
_MBED_STACK_BYTES = 32_768
# EK_FLASH's pointers have 16 bits (ek_flash.h). Of what they reach, interrupt vectors, the link's own
# constants and the core's tables take their part.
_AVR_CONSTANT_BYTES = 0x1_0000 - 0x400
SOURCE_FOLDER = "src/"
_CONFIGURATION = "board/ek_config.h"
_LONGEST_NAME = 63
# "#include" with quotes, and the name between them.
_INCLUDE = re.compile(rb'^([ \t]*#[ \t]*include[ \t]*")([^"]+)(")', re.MULTILINE)


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    The sketch is a folder in the project, because a sketch bears the name of its folder. Raises
    UnknownNameError for a board of a platform that no version is known of, DoesNotFitError where the model
    cannot fit beside the core.
    """
    _check_fit(board, files)
    fqbn = board.engines[engine].target
    platform = ":".join(fqbn.split(":")[:2])
    if platform not in PLATFORMS:
        raise UnknownNameError("Arduino platform", platform, PLATFORMS, f"(the board is {fqbn})")
    ports = ("arduino",) if is_avr(board) else ("arduino", "dwt")
    firmware = sdk_sources.sdk_firmware(board, model, files, ports, own_main=True)
    sketch = sketch_name(graph.name)
    sources = sketch_sources(firmware.files, firmware.include_folders, defines(board))
    values = {
        **sdk_sources.facts(board, graph, model, engine),
        "sketch": sketch,
        "fqbn": fqbn,
        "platform": platform,
        "platform_version": PLATFORMS[platform],
        "library": TFLM_LIBRARY,
        "library_version": TFLM_LIBRARY_VERSION,
        "library_header": TFLM_LIBRARY_HEADER,
        "configuration": _CONFIGURATION if defines(board) else None,
        "root": f"{sketch}/src/",
        "port": "/dev/ttyACM0",
    }
    documents = {
        f"{sketch}/{sketch}.ino": sdk_sources.render("arduino/sketch.ino.j2", values),
        f"{sketch}/sketch.yaml": sdk_sources.render("arduino/sketch.yaml.j2", values),
        "README.md": sdk_sources.render("arduino/README.md.j2", values),
    }
    contents = {f"{sketch}/{SOURCE_FOLDER}{name}": content for name, content in sources.items()}
    return Project(
        name=f"{graph.name}-{board.name}",
        files=dict(sorted({**contents, **documents}.items())),
        recipe=Recipe(
            sources=tuple(f"{sketch}/{SOURCE_FOLDER}{_renamed(name)}" for name in firmware.sources),
            include_folders=(),
        ),
    )


def _check_fit(board: Board, files: EngineFiles) -> None:
    if not is_avr(board):
        sdk_sources.check_sdk_fit(board, files, _MBED_STACK_BYTES)
        return
    stack_bytes = board.memory.stack_bytes if board.memory is not None else 0
    sdk_sources.check_sdk_fit(board, files, stack_bytes, AVR_HARNESS_RAM_BYTES)
    # The compiler would say nothing, and the firmware read other bytes.
    if files.constant_bytes > _AVR_CONSTANT_BYTES:
        raise DoesNotFitError(
            board.name,
            "flash for constants",
            files.constant_bytes,
            _AVR_CONSTANT_BYTES,
            "An AVR's constants lie in the first 64 KB of its flash, however much it has. Choose a smaller "
            "alpha or depth, or another board.",
        )


def sketch_name(name: str) -> str:
    """``name`` as a sketch may be called (Arduino CLI documentation, "Sketch specification").

    That is at most 63 ASCII letters, digits, '_', '.' and '-', of which '.' and '-' do not come first.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".-").rstrip(".")[:_LONGEST_NAME].rstrip(".")
    return plain or "sketch"


def is_avr(board: Board) -> bool:
    """Whether the board has one of the 8-bit processors, which have little RAM and no cycle counter."""
    return board.mcu.core.startswith("avr")


def defines(board: Board) -> tuple[str, ...]:
    """Definitions, ``NAME=VALUE``, that every source of a sketch for ``board`` is compiled with."""
    return ("EK_LINK_MAX_BODY_BYTES=64",) if is_avr(board) else ()


def sketch_sources(
    files: Mapping[str, bytes], include_folders: Sequence[str], definitions: Sequence[str]
) -> dict[str, bytes]:
    """``files`` as they lie in a sketch's ``src/``: includes relative, definitions in a header.

    Paths are relative to the common root before and to ``src/`` after. Sources named ``.cc`` become
    ``.cpp``, which every version of Arduino's tools compiles.
    """
    sources = {
        _renamed(name): _with_relative_includes(name, content, files, include_folders)
        if name.endswith((*sdk_sources.SOURCE_SUFFIXES, ".h"))
        else content
        for name, content in files.items()
    }
    if not definitions:
        return sources
    for name in [name for name in sources if name.endswith(sdk_sources.SOURCE_SUFFIXES)]:
        header = posixpath.relpath(_CONFIGURATION, posixpath.dirname(name))
        sources[name] = f'#include "{header}"\n'.encode() + sources[name]
    sources[_CONFIGURATION] = _configuration(definitions)
    return sources


def _configuration(definitions: Sequence[str]) -> bytes:
    lines = "".join(f"#define {definition.replace('=', ' ', 1)}\n" for definition in definitions)
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/* Made by edgekit. A sketch brings no compiler flags, so every source includes this first. */\n"
        f"#ifndef EDGEKIT_EK_CONFIG_H\n#define EDGEKIT_EK_CONFIG_H\n\n{lines}\n#endif\n"
    ).encode()


def _with_relative_includes(
    name: str, content: bytes, files: Mapping[str, bytes], include_folders: Sequence[str]
) -> bytes:
    """``content`` of the file ``name`` with each include of one of ``files`` relative to that file."""
    here = posixpath.dirname(name)

    def relative(match: re.Match[bytes]) -> bytes:
        header = match[2].decode()
        for folder in (here, *include_folders):
            found = posixpath.normpath(posixpath.join(folder, header))
            if found in files:
                return match[1] + posixpath.relpath(found, here).encode() + match[3]
        return match[0]  # A library's or the core's own.

    return _INCLUDE.sub(relative, content)


def _renamed(name: str) -> str:
    return f"{name.removesuffix('.cc')}.cpp" if name.endswith(".cc") else name
