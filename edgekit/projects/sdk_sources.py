"""What the projects of SDKs share: the firmware they compile, and documents made from templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit import __version__
from edgekit.boards import Board, EngineName
from edgekit.costs.fit import HARNESS_RAM_BYTES, BoardMemory, check_fit, least_needs
from edgekit.firmware_project import EngineFiles
from edgekit.projects import board_files, documents
from edgekit.projects.application import application_files
from edgekit.projects.firmware_files import link_sources, port_sources, with_headers

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

SOURCE_SUFFIXES = (".c", ".cc", ".cpp")
"""Files that a C or C++ compiler compiles."""

LINK_MAIN = "link/main.c"
"""The main() that serves the link; frameworks with a main() of their own leave it out."""


@dataclass(frozen=True)
class SdkFirmware:
    """Files of a project in the layout of ``firmware/``, the sources among them, where headers lie.

    Every path is relative to the folder that holds them all.
    """

    files: Mapping[str, bytes]
    sources: tuple[str, ...]
    include_folders: tuple[str, ...]


def sdk_firmware(
    board: Board, model: bytes, files: EngineFiles, ports: Sequence[str], *, own_main: bool = False
) -> SdkFirmware:
    """The model, its engine, the link and the ``ports`` (folders of ``firmware/port/``) for ``board``.

    ``own_main``: the framework starts the program itself, so the link's main() is left out.
    """
    generated = documents.model_files(model, files.generate())
    link = [source for source in link_sources() if not (own_main and source == LINK_MAIN)]
    port = [source for name in ports for source in port_sources(name)]
    folders = ("include", "model", "board", *(f"port/{name}" for name in ports))
    sources = (
        *(name for name in generated if name.endswith(SOURCE_SUFFIXES)),
        *files.sources,
        *link,
        *port,
    )
    firmware = [source for source in sources if source not in generated]
    contents = {
        **generated,
        **with_headers(firmware, folders, generated),
        **application_files(),
        f"board/{board.name}.toml": board_files.board_toml(board),
        "board/ek_board.h": board_files.board_header(board),
    }
    return SdkFirmware(dict(sorted(contents.items())), sources, folders)


def check_sdk_fit(
    board: Board, files: EngineFiles, ram_bytes: int, harness_ram_bytes: int = HARNESS_RAM_BYTES
) -> None:
    """Raises DoesNotFitError where the SDK leaves too little of the board's RAM for the arena.

    ``ram_bytes`` is what any program of the SDK takes there, stacks included. The rest, such as a USB
    stack, only the linker knows. ``harness_ram_bytes`` is the least that link and port take.
    """
    memory = BoardMemory(board.mcu.ram_bytes, board.mcu.flash_bytes, ram_bytes, harness_ram_bytes)
    check_fit(least_needs(files.arena_bytes, files.constant_bytes, memory), board.name, memory)


def facts(board: Board, graph: Graph, model: bytes, engine: EngineName) -> dict[str, object]:
    """What every template may mention of ``graph`` (read from the .tflite ``model``) on ``board``."""
    return {
        "model_name": one_line(graph.name),
        "board_title": one_line(board.title),
        "board": board,
        "engine": engine,
        "target": board.engines[engine].target,
        "version": __version__,
        "graph": graph,
        "inputs": [graph.tensors[index] for index in graph.inputs],
        "outputs": [graph.tensors[index] for index in graph.outputs],
        "model_bytes": len(model),
    }


def render(template: str, values: Mapping[str, object]) -> bytes:
    """``template``, a file of ``templates/``, filled with ``values``. A value that is missing is an error."""
    import jinja2

    # The texts are Markdown, CMake and YAML, not HTML: nothing is to be escaped.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgekit.projects"),
        autoescape=False,  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values).encode()


def one_line(text: str) -> str:
    """``text`` without line breaks and other characters that do not print: it stands in comments."""
    return "".join(character if character.isprintable() else "?" for character in text)
