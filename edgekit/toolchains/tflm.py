"""The TFLite Micro that a user names with ``--tflm-root``: found, checked, and how to compile with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import NotCompiledError, UsageError

ARCHIVE = "libtensorflow-microlite.a"
ARCHIVE_PLACES = (ARCHIVE, f"lib/{ARCHIVE}", f"gen/*/lib/{ARCHIVE}")
"""Where the library may lie, relative to the root; the last is where TFLite Micro's own build puts it."""

THIRD_PARTY_PLACES = ("third_party", "tensorflow/lite/micro/tools/make/downloads")
"""Where the headers of others may lie: in a generated tree, in a checkout that was built."""

THIRD_PARTY_HEADERS = ("flatbuffers/include", "gemmlowp", "ruy")

STATIC_MEMORY = "TF_LITE_STATIC_MEMORY"
"""Defined wherever TFLite Micro's headers are included: it decides the layout of their structures."""

INT8_KERNELS_SYMBOL = "_ZN6tflite21Register_CONV_2D_INT8Ev"
"""In a library whose kernels are CMSIS-NN's: its headers declare the registrations for int8 with CMSIS_NN."""

LOG_SYMBOL = "_Z11MicroPrintfPKcz"
"""Missing from a library that was built without messages, to whose headers that must be told."""

_HEADER = "tensorflow/lite/micro/micro_interpreter.h"


@dataclass(frozen=True)
class TflmLibrary:
    """Absolute paths of the library and of the folders of its headers; ``defines`` are ``NAME``."""

    archive: Path
    include_folders: tuple[Path, ...]
    defines: tuple[str, ...]
    sha256: str


def open_tflm(root: Path) -> TflmLibrary:
    """The library in the folder ``root``. Raises UsageError naming what is missing there."""
    root = root.absolute()
    if not (root / _HEADER).is_file():
        raise UsageError(
            f"{root} holds no TFLite Micro: {_HEADER} is missing. Name the folder that has tensorflow/ in it "
            f"with --tflm-root or EDGEKIT_TFLM_ROOT."
        )
    archive = _archive(root)
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {archive}: {error.strerror}.") from error
    if not content.startswith(b"!<arch>\n"):
        raise UsageError(f"{archive} is not a library; build TFLite Micro again.")
    defines = [STATIC_MEMORY]
    if INT8_KERNELS_SYMBOL.encode() in content:
        defines.append("CMSIS_NN")
    if LOG_SYMBOL.encode() not in content:
        defines.append("TF_LITE_STRIP_ERROR_STRINGS")
    return TflmLibrary(
        archive, (root, *_third_party(root)), tuple(defines), hashlib.sha256(content).hexdigest()
    )


def missing_tflm(project_folder: Path) -> NotCompiledError:
    """The error for a project that needs a library where none was named."""
    return NotCompiledError(
        f"the project is in {project_folder}, but it was not compiled: the engine tflm needs a TFLite Micro "
        f"library here. Name the folder that holds its headers and {ARCHIVE}, built for the board's core, "
        "with --tflm-root or EDGEKIT_TFLM_ROOT (docs/tflm.md), or choose --engine aot, which needs none."
    )


def _archive(root: Path) -> Path:
    found = [path for place in ARCHIVE_PLACES for path in sorted(root.glob(place))]
    if not found:
        raise UsageError(
            f"{root} holds TFLite Micro's sources but no {ARCHIVE}. Build it for the board's core and put it "
            "there."
        )
    if len(found) > 1:
        places = ", ".join(str(path.relative_to(root)) for path in found)
        raise UsageError(
            f"{root} holds several libraries: {places}. Copy the one for the board's core into a folder with "
            "the headers, and name that folder."
        )
    return found[0]


def _third_party(root: Path) -> tuple[Path, ...]:
    for place in THIRD_PARTY_PLACES:
        if (root / place / "flatbuffers/include/flatbuffers/flatbuffers.h").is_file():
            folders = (root / place / name for name in THIRD_PARTY_HEADERS)
            return tuple(folder for folder in folders if folder.is_dir())
    raise UsageError(
        f"{root} lacks the headers of FlatBuffers, which TFLite Micro's include: looked for "
        f"flatbuffers/include in {' and '.join(THIRD_PARTY_PLACES)}."
    )
