"""The generated C: its text, its contract, its arithmetic, its size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codegen.generated import compile_model, layers_in_c, layers_in_numpy, noise, write_model
from codegen.models import renamed, softmaxes, tiny_model, two_branches
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol
from graph import tflite_builder as build
from kernels.compiling import (
    CORTEX_M4,
    ENGINE,
    INCLUDE,
    KERNELS,
    WARNINGS,
    cortex_m4_compiler,
    host_compiler,
    run,
)

from edgekit.codegen.border import CONTRACT_VERSION
from edgekit.codegen.c_model import PLAN_VERSION, constant_bytes, generate_model, program_sources
from edgekit.codegen.kernels import KERNELS_VERSION, TABLES, kernel_call
from edgekit.codegen.layers import lower
from edgekit.codegen.memory_plan import plan_graph
from edgekit.errors import ModelError
from edgekit.graph.ir import SUPPORTED_OPCODES, Graph
from edgekit.graph.tflite import read_tflite

_NOT_IN_TINY = {"average_of_sums.c", "softmax_of_many.c", "softmax_of_two.c", "softmax_table.c"}
GOLDEN = Path(__file__).parent / "golden" / "tiny"
UPDATE = "EDGEKIT_UPDATE_GOLDEN"
HOSTILE_NAMES = [
    "*/ int intruder; /*",
    'say "cheese"\\',
    "ends with a backslash \\",
    "what??/ a trigraph",
    "two\nlines\r",
    "",
    "int",
    "naïve/é/日本",
    "9lives",
    "nul\0inside",
    "same",
    "same",
    "x" * 5000,
    "%s%n",
    "// comment /* open",
]


def test_tiny_model_has_every_operator() -> None:
    assert {op.opcode for op in tiny_model().ops} == set(SUPPORTED_OPCODES)


def test_text_is_the_golden_one() -> None:
    """A change of the generated text shows in the diff of tests/codegen/golden.

    EDGEKIT_UPDATE_GOLDEN=1 pytest tests/codegen/test_c_model.py   writes it anew.
    """
    graph = tiny_model()
    files = generate_model(*plan_graph(graph))
    if os.environ.get(UPDATE):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (GOLDEN / name).write_text(text)
    assert files == {path.name: path.read_text() for path in GOLDEN.iterdir()}


def test_text_is_the_same_in_every_process() -> None:
    script = (
        "import hashlib; from codegen.models import tiny_model as model;"
        "from edgekit.codegen.c_model import generate_model as generate;"
        "from edgekit.codegen.memory_plan import plan_graph as plan;"
        "print(hashlib.sha256(repr(generate(*plan(model()))).encode()).hexdigest())"
    )
    digests = {
        run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(GOLDEN.parents[2])!r}); {script}"])
        for _ in range(2)
    }
    assert len(digests) == 1


def test_text_names_no_place_or_time() -> None:
    text = "".join(generate_model(*plan_graph(tiny_model())).values())
    assert str(Path.cwd()) not in text
    assert not re.search(r"\b20\d\d-", text)


def test_tiny_model_equals_the_executor(tmp_path: Path) -> None:
    graph = tiny_model()
    inputs = noise(graph, count=50)
    program = compile_model(graph, tmp_path, "layers.c")
    computed = layers_in_c(program, inputs)
    assert computed == layers_in_numpy(graph, inputs)
    assert len(set(computed)) > 200


def test_softmaxes_by_tables_equal_the_executor(tmp_path: Path) -> None:
    graph = softmaxes(2, 12, 1000)
    inputs = noise(graph, count=20)
    program = compile_model(graph, tmp_path, "layers.c", features=frozenset({TABLES}))
    kernels = program_sources(lower(graph, frozenset({TABLES})))
    assert {f"kernels/softmax_{name}.c" for name in ("of_two", "table", "of_many")} < set(kernels)
    assert layers_in_c(program, inputs) == layers_in_numpy(graph, inputs)


def test_real_model_equals_the_executor_on_every_layer(mlperf_tiny_model: Path, tmp_path: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    inputs = noise(graph, count=4)
    program = compile_model(graph, tmp_path, "layers.c")
    expected = layers_in_numpy(graph, inputs)
    assert layers_in_c(program, inputs) == expected
    assert len(set(expected)) > 200


def test_rows_may_be_handed_over_in_any_number(tmp_path: Path) -> None:
    graph = tiny_model()
    inputs = noise(graph, count=6)
    expected = layers_in_numpy(graph, inputs)
    for stream_input in (False, True):
        folder = tmp_path / str(stream_input)
        folder.mkdir()
        program = compile_model(graph, folder, "layers.c", stream_input=stream_input)
        for rows_at_once in range(1, 8):
            assert layers_in_c(program, inputs, rows_at_once) == expected


def test_streamed_mlperf_model_equals_the_executor(mlperf_tiny_model: Path, tmp_path: Path) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    if graph.name == "ad01_int8":
        pytest.skip("its input is a single row")
    inputs = noise(graph, count=2)
    program = compile_model(graph, tmp_path, "layers.c", stream_input=True)
    expected = layers_in_numpy(graph, inputs)
    assert layers_in_c(program, inputs, 1) == expected
    assert layers_in_c(program, inputs, 7) == expected


ODD_MODELS = {
    "softmax without an axis but the batch": build.softmax((1,)),
    # A dilation times a row or a pixel beyond int32, where only one tap is.
    "conv, one row": build.convolution(
        "CONV_2D", (1, 2, 300, 128), np.full((1, 1, 2, 128), 3, np.int8), dilation=(65535, 1)
    ),
    "conv, one column": build.convolution(
        "CONV_2D", (1, 2, 1, 40_000), np.full((1, 2, 1, 40_000), 1, np.int8), dilation=(1, 65535)
    ),
    "depthwise, one row": build.convolution(
        "DEPTHWISE_CONV_2D", (1, 2, 300, 128), np.full((1, 1, 2, 128), 99, np.int8), dilation=(65535, 1)
    ),
    "depthwise, one column": build.convolution(
        "DEPTHWISE_CONV_2D", (1, 2, 1, 40_000), np.full((1, 2, 1, 40_000), 99, np.int8), dilation=(1, 65535)
    ),
}


@pytest.mark.parametrize("name", ODD_MODELS)
def test_odd_model_equals_the_executor(name: str, tmp_path: Path) -> None:
    graph = read_tflite(ODD_MODELS[name], name)
    inputs = noise(graph, count=3)
    program = compile_model(graph, tmp_path, "layers.c")
    assert layers_in_c(program, inputs) == layers_in_numpy(graph, inputs)


@pytest.mark.parametrize(
    ("graph", "stream_input"),
    [(tiny_model(), False), (two_branches(), False), (tiny_model(), True)],
    ids=["tiny", "two branches", "tiny, streamed"],
)
def test_contract_of_ek_model(graph: Graph, stream_input: bool, tmp_path: Path) -> None:
    program = compile_model(graph, tmp_path, "interface.c", stream_input=stream_input)
    lines = run([str(program)]).decode().splitlines()
    _, plan = plan_graph(graph, stream_input=stream_input)
    assert lines[:4] == [graph.name, "aot", graph.sha256, f"{len(graph.ops)} {plan.arena_bytes}"]
    expected = []
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        scale = float(np.float32(tensor.scale))
        expected += [
            tensor.name,
            " ".join(map(str, (len(tensor.shape), *tensor.shape))),
            (tensor.size_bytes, scale, tensor.zero_point),
        ]
    told = [
        (int(fields[0]), float.fromhex(fields[1]), int(fields[2]))
        if number % 3 == 2 and (fields := line.split())
        else line
        for number, line in enumerate(lines[4:])
    ]
    assert told == expected


@pytest.mark.parametrize("rotation", range(0, len(HOSTILE_NAMES), 3))
def test_hostile_names_make_valid_c(rotation: int, tmp_path: Path) -> None:
    names = HOSTILE_NAMES[rotation:] + HOSTILE_NAMES[:rotation]
    graph = renamed(tiny_model(), names)
    program = compile_model(graph, tmp_path, "interface.c")
    told = run([str(program)]).decode()
    assert told.startswith(names[0].replace("\0", " ")[:4000])
    assert "intruder" not in {symbol.name for symbol in _symbols(program)}


def test_kernels_are_only_those_that_the_model_needs() -> None:
    engine = "engine/aot/ek_engine.c"
    assert program_sources(lower(two_branches())) == (engine, "kernels/softmax.c")
    both = {*program_sources(lower(tiny_model())), *program_sources(lower(tiny_model(), accumulate=True))}
    kernels = {path.name for path in KERNELS.glob("*.c")} - _NOT_IN_TINY
    assert both == {engine, *(f"kernels/{name}" for name in kernels)}


def test_versions_are_those_of_the_headers() -> None:
    assert f"#define EK_CONTRACT_VERSION {CONTRACT_VERSION}\n" in (INCLUDE / "edgekit/ek_model.h").read_text()
    assert f"#define EK_KERNELS_VERSION {KERNELS_VERSION}\n" in (INCLUDE / "edgekit/ek_kernels.h").read_text()
    assert f"#define EK_PLAN_VERSION {PLAN_VERSION}\n" in (INCLUDE / "edgekit/ek_plan.h").read_text()


@pytest.mark.parametrize(
    ("header", "macro", "version"),
    [
        ("ek_model.h", "CONTRACT", CONTRACT_VERSION),
        ("ek_kernels.h", "KERNELS", KERNELS_VERSION),
        ("ek_plan.h", "PLAN", PLAN_VERSION),
    ],
)
def test_other_versions_are_refused(header: str, macro: str, version: int, tmp_path: Path) -> None:
    write_model(tiny_model(), tmp_path)
    folder = tmp_path / "edgekit"
    folder.mkdir()
    for path in (INCLUDE / "edgekit").glob("*.h"):
        (folder / path.name).write_text(re.sub(rf"(EK_{macro}_VERSION) \d+", r"\1 99", path.read_text()))
    command = [host_compiler(), "-std=c11", f"-I{tmp_path}", "-fsyntax-only", str(tmp_path / "model.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"model.c is for {header} version {version}: generate it again" in done.stderr


def test_numbers_that_no_kernel_takes_are_refused() -> None:
    graph = tiny_model()
    wide = replace(graph.tensors[6], shape=(1, 2, 70_000, 2))
    with pytest.raises(ModelError, match=r"operator 5 of the model, MAX_POOL_2D, .* reaches from 70000"):
        _generate_with(graph, {6: wide})
    batch = replace(graph.tensors[2], shape=(4, 3, 3, 2))
    with pytest.raises(ModelError, match="batch size 4"):
        _generate_with(graph, {2: batch})
    with pytest.raises(ModelError, match="5 dimensions"):
        _generate_with(graph, {0: replace(graph.tensors[0], shape=(1, 1, 6, 6, 1))})


def test_ops_out_of_order_are_a_defect() -> None:
    program, plan = plan_graph(two_branches())
    backwards = replace(program, graph=replace(program.graph, ops=program.graph.ops[::-1]))
    with pytest.raises(ValueError, match="ascending"):
        generate_model(backwards, plan)


@pytest.mark.parametrize("compiler", CORTEX_M4)
def test_object_for_cortex_m4_needs_no_library(compiler: str, tmp_path: Path) -> None:
    objects = _cortex_m4_objects(tiny_model(), compiler, tmp_path, ("-O2", "-fno-builtin"))
    symbols = [
        symbol for path in objects for symbol in _symbols(path) if symbol["st_info"]["bind"] != "STB_LOCAL"
    ]
    undefined = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"}
    defined = {symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"}
    allowed = {
        "memcpy",
        "memset",
        "__aeabi_memcpy",
        "__aeabi_memset",
        "__aeabi_memclr",
        "__aeabi_unwind_cpp_pr0",
    }
    allowed |= {
        name + width for name in ("__aeabi_memcpy", "__aeabi_memset", "__aeabi_memclr") for width in "48"
    }
    assert undefined - defined <= allowed
    foreign = {name for name in defined if not name.startswith(("ek_", "model_"))}
    assert not foreign


@pytest.mark.parametrize("compiler", CORTEX_M4)
def test_constant_bytes_with_several_inputs_and_outputs(compiler: str, tmp_path: Path) -> None:
    """Exact but for the two tables of offsets, which a compiler may share or fold into the code."""
    graph = two_branches(softmax_ops=12)
    objects = _cortex_m4_objects(graph, compiler, tmp_path, ("-Os",), kernels=False)
    assert 0 <= constant_bytes(*plan_graph(graph)) - sum(map(_constants_in, objects)) <= 16


@pytest.mark.parametrize("compiler", CORTEX_M4)
def test_constant_bytes_are_those_of_the_object(
    compiler: str, mlperf_tiny_model: Path, tmp_path: Path
) -> None:
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    objects = _cortex_m4_objects(graph, compiler, tmp_path, ("-Os",), kernels=False)
    assert sum(map(_constants_in, objects)) == constant_bytes(*plan_graph(graph))


@pytest.mark.parametrize("compiler", CORTEX_M4)
def test_constant_bytes_of_a_streamed_model(compiler: str, tmp_path: Path) -> None:
    graph = tiny_model()
    objects = _cortex_m4_objects(graph, compiler, tmp_path, ("-Os",), kernels=False, stream_input=True)
    assert sum(map(_constants_in, objects)) == constant_bytes(*plan_graph(graph, stream_input=True))


@pytest.mark.parametrize("compiler", CORTEX_M4)
def test_params_bytes_are_those_of_the_structs(compiler: str, tmp_path: Path) -> None:
    graph = tiny_model()
    calls = [call for op in graph.ops if (call := kernel_call(graph, op)) is not None]
    source = tmp_path / "sizes.c"
    asserts = (f'_Static_assert(sizeof({call.params_type}) == {call.params_bytes}, "");\n' for call in calls)
    source.write_text('#include "edgekit/ek_kernels.h"\n' + "".join(asserts))
    target = str(tmp_path / "sizes.o")
    run([*cortex_m4_compiler(compiler), "-std=c11", f"-I{INCLUDE}", "-c", str(source), "-o", target])


def _generate_with(graph: Graph, tensors: dict[int, object]) -> None:
    changed = replace(graph, tensors={**graph.tensors, **tensors})
    generate_model(*plan_graph(changed))


def _cortex_m4_objects(
    graph: Graph,
    compiler: str,
    folder: Path,
    flags: tuple[str, ...],
    *,
    kernels: bool = True,
    stream_input: bool = False,
) -> list[Path]:
    sources = write_model(graph, folder, stream_input=stream_input) + (
        [ENGINE, *sorted(KERNELS.glob("*.c"))] if kernels else []
    )
    objects = [folder / f"{source.stem}.o" for source in sources]
    command = [*cortex_m4_compiler(compiler), "-std=c11", "-ffreestanding", *WARNINGS, *flags, f"-I{INCLUDE}"]
    for source, target in zip(sources, objects, strict=True):
        run([*command, "-c", str(source), "-o", str(target)])
    return objects


def _symbols(path: Path) -> list[Symbol]:
    with path.open("rb") as stream:
        return list(ELFFile(stream).get_section_by_name(".symtab").iter_symbols())


def _constants_in(path: Path) -> int:
    """Bytes of the named constants and of the string literals in an object file."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        constant = {
            index: section for index, section in enumerate(elf.iter_sections()) if ".rodata" in section.name
        }
        strings = sum(section["sh_size"] for section in constant.values() if ".str" in section.name)
        return strings + sum(
            symbol["st_size"]
            for symbol in elf.get_section_by_name(".symtab").iter_symbols()
            if symbol["st_info"]["type"] == "STT_OBJECT" and symbol["st_shndx"] in constant
        )
