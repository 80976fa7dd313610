"""What a project holds for the program that a user writes: preprocessing, top-k, and an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.boards import FrameworkName
from edgekit.codegen.labels import generate_labels
from edgekit.codegen.picture import generate_picture, reads_pixels
from edgekit.projects.firmware_files import with_headers
from edgekit.resources import firmware_folder

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

APPLICATION_FOLDER = "application"
EXAMPLES: Mapping[FrameworkName, str] = {"baremetal": "examples/rows.c", "linux": "examples/camera.c"}
"""The example of each framework that has one, in the layout of ``firmware/``."""


def application_headers(graph: Graph, class_names: Sequence[str]) -> dict[str, str]:
    """``labels.h`` and, for a model that reads a picture, ``picture.h``: {file name: text} for ``model/``."""
    return {**generate_labels(graph, class_names), **generate_picture(graph)}


def application_sources() -> tuple[str, ...]:
    """C sources of ``firmware/application/``, sorted. The proved firmware does not have them."""
    folder = firmware_folder() / APPLICATION_FOLDER
    return tuple(f"{APPLICATION_FOLDER}/{path.name}" for path in sorted(folder.glob("*.c")))


def example_of(graph: Graph, framework: FrameworkName) -> str | None:
    """The example in a project of ``graph``, or None where it would not know what a pixel means to it."""
    return EXAMPLES.get(framework) if reads_pixels(graph) else None


def application_files() -> dict[str, bytes]:
    """The sources and their headers, with their paths in the layout of ``firmware/``."""
    return with_headers(application_sources(), ("include",), {})


def example_files(graph: Graph, framework: FrameworkName) -> dict[str, bytes]:
    """The example of a project of ``graph``, with its path in the layout of ``firmware/``; or nothing."""
    example = example_of(graph, framework)
    return {} if example is None else {example: (firmware_folder() / example).read_bytes()}
