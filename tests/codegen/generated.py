"""Writes, compiles and runs generated models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from kernels.compiling import INCLUDE, SANITIZERS, compile_program, run

from edgekit.codegen.c_model import generate_model, program_sources
from edgekit.codegen.memory_plan import plan_graph
from edgekit.graph.executor import execute_all
from edgekit.graph.ir import Graph, Int8Array
from edgekit.resources import firmware_folder

HERE = Path(__file__).parent


def write_model(
    graph: Graph, folder: Path, *, stream_input: bool = False, features: frozenset[str] = frozenset()
) -> list[Path]:
    """Generates ``graph`` into ``folder``; returns the C files."""
    for name, text in generate_model(*plan_graph(graph, features, stream_input=stream_input)).items():
        (folder / name).write_text(text)
    return sorted(folder.glob("*.c"))


def compile_model(
    graph: Graph,
    folder: Path,
    main: str,
    flags: Sequence[str] = SANITIZERS,
    *,
    stream_input: bool = False,
    features: frozenset[str] = frozenset(),
) -> Path:
    """The generated model with ``main`` (a file of this folder) and the kernels it names, and no others."""
    sources = write_model(graph, folder, stream_input=stream_input, features=features)
    program, _ = plan_graph(graph, features, stream_input=stream_input)
    kernels = [firmware_folder() / name for name in program_sources(program)]
    include = (f"-I{folder}", f"-I{INCLUDE}")
    return compile_program(folder / "program", [*sources, HERE / main, *kernels], (*flags, *include))


def layers_in_c(program: Path, inputs: Sequence[Int8Array], rows_at_once: int = 0) -> bytes:
    """Every layer of every vector, then its outputs, as ``layers.c`` writes them.

    ``rows_at_once``: so many rows of the first input are handed over at a time; 0: all inputs are written.
    """
    count = len(inputs[0])
    return run(
        [str(program), str(rows_at_once)],
        b"".join(array[n].tobytes() for n in range(count) for array in inputs),
    )


def layers_in_numpy(graph: Graph, inputs: Sequence[Int8Array]) -> bytes:
    """What :func:`layers_in_c` must return."""
    values = execute_all(graph, inputs)
    order = [op.output for op in graph.ops] + list(graph.outputs)
    return b"".join(values[index][n].tobytes() for n in range(len(inputs[0])) for index in order)


def noise(graph: Graph, count: int, seed: int = 1) -> list[Int8Array]:
    """``count`` vectors: uniform noise, and the two constant extremes as the last ones."""
    random = np.random.default_rng(seed)
    arrays = [
        random.integers(-128, 128, (count, *graph.tensors[index].shape[1:]), dtype=np.int8)
        for index in graph.inputs
    ]
    for array in arrays:
        array[-2:] = np.array([-128, 127], np.int8).reshape(2, *(1,) * (array.ndim - 1))
    return arrays
