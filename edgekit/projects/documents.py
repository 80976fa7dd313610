"""What a project holds besides firmware sources: the model, and what a person reads and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgekit import __version__
from edgekit.boards import Board, EngineName, ToolchainName
from edgekit.firmware_project import Project, Recipe
from edgekit.projects.application import application_sources
from edgekit.toolchains import tflm
from edgekit.toolchains.cores import CORES
from edgekit.toolchains.flags import (
    TIMED_SOURCES,
    compile_flags,
    image_name,
    level_flags,
    library_flags,
    link_flags,
)
from edgekit.toolchains.zig import ZIG_PACKAGE

if TYPE_CHECKING:
    import jinja2

    from edgekit.graph.ir import Graph

LINK_PORT = 7070
"""TCP port that the generated service and the README use."""

_DEPLOY = "deploy.sh"
_SERVICE = "edgekit-link.service"


def model_files(model: bytes, generated: Mapping[str, str]) -> dict[str, bytes]:
    """The generated sources and the model they were made from, in the folder ``model/``."""
    files = {f"model/{name}": text.encode() for name, text in sorted(generated.items())}
    return {**files, "model/model.tflite": model}


def c_sources(names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that a C compiler compiles."""
    return tuple(name for name in names if name.endswith(".c"))


def with_documents(project: Project, board: Board, graph: Graph, engine: EngineName) -> Project:
    """``project`` with README and Makefile and, for a board behind ssh, what installs it there."""
    templates = _templates()
    facts = _facts(project, board, graph, engine)
    names = ["README.md", "Makefile"]
    if board.flash.tool == "ssh":
        names += [_DEPLOY, _SERVICE]
    documents = {name: templates.get_template(f"{name}.j2").render(facts).encode() for name in names}
    files = dict(sorted({**project.files, **documents}.items()))
    return replace(project, files=files, executables=project.executables | ({_DEPLOY} & files.keys()))


def _templates() -> jinja2.Environment:
    import jinja2

    # The texts are Markdown, make and sh, not HTML: nothing is to be escaped.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("edgekit.projects"),
        autoescape=False,  # noqa: S701
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _facts(project: Project, board: Board, graph: Graph, engine: EngineName) -> dict[str, object]:
    recipe = project.recipe
    toolchains = board.engines[engine].toolchains
    script = recipe.linker_script
    return {
        "project": _one_line(project.name),
        "model_name": _one_line(graph.name),
        "board_title": _one_line(board.title),
        "zig_package": ZIG_PACKAGE,
        "version": __version__,
        "board": board,
        "engine": engine,
        "framework": board.engines[engine].framework,
        "graph": graph,
        "inputs": [graph.tensors[index] for index in graph.inputs],
        "outputs": [graph.tensors[index] for index in graph.outputs],
        "model_bytes": len(project.files["model/model.tflite"]),
        "model_sources": [source for source in recipe.sources if source.startswith("model/")],
        "kernel_sources": [
            source for source in recipe.sources if source.startswith(("kernels/", "engine/aot/"))
        ],
        "recipe": recipe,
        "headers": [name for name in project.files if name.endswith(".h")],
        "toolchains": toolchains,
        "default_toolchain": toolchains[0],
        "gcc": CORES[board.mcu.core].gcc or "cc",
        "objcopy": objcopy_command(board),
        "startup": CORES[board.mcu.core].startup,
        "flags": {name: _make_flags(name, board, recipe) for name in ("zig", "gcc")},
        "timed_sources": TIMED_SOURCES,
        "image": image_name(script),
        "freestanding": script is not None,
        "linker_inputs": f"{script} board/memory.ld" if script is not None else "",
        "flash_origin": hex(board.memory.flash_origin) if board.memory is not None else "",
        "link_port": LINK_PORT,
        "tflm": _tflm_facts(recipe),
        **_example_facts(project),
    }


def _example_facts(project: Project) -> dict[str, object]:
    """The example, if there is one, and what it is made of: the firmware without the link and its main()."""
    example = next((name for name in project.files if name.startswith("examples/")), None)
    script = project.recipe.linker_script
    # On bare metal the port holds the start-up code; a program of an operating system needs none.
    left_out = ("link/", "port/") if script is None else ("link/",)
    firmware = (source for source in project.recipe.sources if not source.startswith(left_out))
    suffix = "" if script is None else ".elf"
    return {
        "example": example,
        "example_image": f"{PurePosixPath(example).stem}{suffix}" if example is not None else "",
        "example_sources": [*([example] if example is not None else []), *application_sources(), *firmware],
    }


def _tflm_facts(recipe: Recipe) -> dict[str, object] | None:
    """How the Makefile finds a TFLite Micro, as :func:`edgekit.toolchains.tflm.open_tflm` does."""
    if not recipe.needs_tflm:
        return None
    return {
        "archive": tflm.ARCHIVE,
        "archive_places": tflm.ARCHIVE_PLACES,
        "header_places": [
            f"{place}/{name}" for place in tflm.THIRD_PARTY_PLACES for name in tflm.THIRD_PARTY_HEADERS
        ],
        "static_memory": tflm.STATIC_MEMORY,
        "int8_kernels_symbol": tflm.INT8_KERNELS_SYMBOL,
        "log_symbol": tflm.LOG_SYMBOL,
    }


def objcopy_command(board: Board) -> str:
    """The objcopy that comes with the GCC for the board's core."""
    gcc = CORES[board.mcu.core].gcc
    return f"{gcc.removesuffix('gcc')}objcopy" if gcc is not None and gcc.endswith("-gcc") else "objcopy"


def _one_line(text: str) -> str:
    """``text`` without line breaks and other characters that do not print: it stands in comments."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _make_flags(toolchain: ToolchainName, board: Board, recipe: Recipe) -> dict[str, str]:
    """The flags of edgekit's own build, the level of optimization as a variable of make."""
    core, script = CORES[board.mcu.core], recipe.linker_script
    defines = tuple(f"-D{define}" for define in recipe.defines)
    compile_c = compile_flags(toolchain, core, "size", freestanding=script is not None)
    compile_cxx = compile_flags(toolchain, core, "size", freestanding=False, cxx=True)
    groups = {
        "compile": ("$(LEVEL)" if flag == "-Os" else flag for flag in (*compile_c, *defines)),
        "compile_cxx": ("$(LEVEL)" if flag == "-Os" else flag for flag in (*compile_cxx, *defines)),
        "smallest": level_flags(toolchain, "smallest"),
        "link": (
            "$(OPTIMIZE)" if flag == "-Os" else flag
            for flag in link_flags(toolchain, core, "size", script, cxx=recipe.needs_tflm)
        ),
        "libraries": library_flags(toolchain, script, "$(TFLM_LIBRARY)" if recipe.needs_tflm else None),
    }
    return {name: " ".join(flags) for name, flags in groups.items()}
