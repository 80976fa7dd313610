"""Projects for the Raspberry Pi Pico SDK: CMake, a UF2 image, the link on USB or on a UART."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import sdk_sources

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

SDK_VERSION = "2.0.0"
"""The oldest Pico SDK that knows every board here: RP2350 came with 2.0.0."""

TFLMICRO_REPOSITORY = "https://github.com/raspberrypi/pico-tflmicro"
TFLMICRO_COMMIT = "dfea53b977f131dc50d7060568ad4fd355d4d71e"
"""TensorFlow Lite Micro of 2024-12-26, the last state of ``pico-tflmicro``, which has no releases."""

# The SDK's linker scripts keep 4 KiB of scratch memory for the stack of the first core; its default is half.
_STACK_BYTES = 4096
# The two banks of scratch memory, in which nothing but stacks is placed (SDK, memmap_default.ld).
_SCRATCH_BYTES = 8192
_DEFINES = (
    # The link is binary: no line feed may become two bytes.
    "PICO_STDIO_ENABLE_CRLF_SUPPORT=0",
    "PICO_STDIO_DEFAULT_CRLF=0",
    f"PICO_STACK_SIZE={_STACK_BYTES}",
)


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    Raises DoesNotFitError where the model cannot fit beside the SDK.
    """
    sdk_sources.check_sdk_fit(board, files, _SCRATCH_BYTES)
    firmware = sdk_sources.sdk_firmware(board, model, files, ("pico_sdk",))
    values = {
        **sdk_sources.facts(board, graph, model, engine),
        "sources": firmware.sources,
        "include_folders": firmware.include_folders,
        "defines": _DEFINES,
        "sdk_version": SDK_VERSION,
        "tflmicro_repository": TFLMICRO_REPOSITORY,
        "tflmicro_commit": TFLMICRO_COMMIT,
        "root": "",
        "port": "/dev/ttyACM0",
    }
    documents = {
        name: sdk_sources.render(f"pico_sdk/{name}.j2", values)
        for name in ("CMakeLists.txt", "README.md", "pico_sdk_import.cmake")
    }
    return Project(
        name=f"{graph.name}-{board.name}",
        files=dict(sorted({**firmware.files, **documents}.items())),
        recipe=Recipe(firmware.sources, firmware.include_folders, _DEFINES),
    )
