"""The C kernels against the NumPy executor, byte by byte, under the address and undefined sanitizers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import Case, all_cases
from kernels.compiling import (
    INCLUDE,
    KERNELS,
    compile_object,
    compile_program,
    cortex_m4_compiler,
    host_compiler,
    run,
)

from edgekit.codegen.kernel_calls import ConstantArray, Integer, Value, kernel_call
from edgekit.graph.executor import execute

CASES = {case.name: case for case in all_cases()}
DRIVER = Path(__file__).with_name("driver.c")
# The driver numbers the kernels in this order.
NUMBERS = {f"ek_{path.stem}_s8": number for number, path in enumerate(sorted(KERNELS.glob("*.c")))}


@pytest.fixture(scope="session")
def computed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Output of the C kernel for each case, all from one process."""
    program = compile_program(
        tmp_path_factory.mktemp("kernels") / "driver", [DRIVER, *sorted(KERNELS.glob("*.c"))]
    )
    return run_cases(program, CASES)


@pytest.fixture(scope="session")
def expected() -> dict[str, bytes]:
    """Output of the NumPy executor for each case."""
    return {name: execute(case.graph, case.inputs)[0].tobytes() for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_kernel_equals_the_executor(
    name: str, computed: dict[str, bytes], expected: dict[str, bytes]
) -> None:
    assert computed[name] == expected[name]


def test_cases_are_told_apart_by_their_outputs(expected: dict[str, bytes]) -> None:
    """Outputs that all saturate would prove nothing."""
    values = np.frombuffer(b"".join(expected.values()), np.int8)
    assert len(np.unique(values)) == 256
    large = [output for output in expected.values() if len(output) >= 16]
    varied = sum(len(set(output)) > 4 for output in large)
    assert varied / len(large) > 0.7


# One slip each, such as a person could make in that place: file, what is right, what is wrong.
FAULTS = {
    "tie of a negative number": ("requantize.h", "(x + (x >> 31))", "x"),
    "single rounding": ("requantize.h", "(INT64_C(1) << 30)) >> 31", "0) >> 31"),
    "left shift dropped": ("requantize.h", "(uint32_t)x << left_shift", "(uint32_t)x"),
    "clamp from above": ("requantize.h", "x > highest ? highest : x", "x"),
    "sum saturates": (
        "requantize.h",
        "return (int32_t)((uint32_t)a + (uint32_t)b);",
        "const int64_t s = (int64_t)a + b; return s > INT32_MAX ? INT32_MAX : (int32_t)s;",
    ),
    "last column": ("window.h", ">= extent", "> extent"),
    "lane repeated": ("dot.h", "lanes > 3 ? w2 + stride", "lanes > 4 ? w2 + stride"),
    "per channel ignored": ("lanes.h", "lane & entry_mask", "0"),
    "conv: pad_left for pad_top": ("conv_2d.c", "window.pad_top", "window.pad_left"),
    "conv: dilation of rows": ("conv_2d.c", "window.dilation_height * in.width", "in.width"),
    "depthwise: multiplier": ("depthwise_conv_2d.c", "c = run + i * step", "c = run + i"),
    "fully connected: batch": ("fully_connected.c", "input += input_depth;", ""),
    "add: operands swapped": ("add.c", "operands[0]", "operands[1]"),
    "average: truncated": ("average_pool_2d.c", "sum > 0 ? sum + half : sum - half", "sum"),
    "max: starts at 0": ("max_pool_2d.c", "highest = INT8_MIN", "highest = 0"),
    "mean: zero point": ("mean.c", "params->output_zero_point", "0"),
    "pad: value": ("pad.c", "const int8_t value = params->value", "const int8_t value = 0"),
    "softmax: truncated": ("softmax.c", "ek_rounding_shift_right(product, exponent)", "product >> exponent"),
    "softmax: one Newton step": ("softmax.c", "step < 3", "step < 1"),
}
# A fault in a header is planted into one kernel that includes it.
KERNEL_OF_HEADER = dict.fromkeys(("requantize.h", "dot.h", "lanes.h"), "fully_connected.c") | {
    "window.h": "average_pool_2d.c"
}


def test_every_kernel_has_cases_and_a_fault() -> None:
    calls = (kernel_call(case.graph, case.graph.ops[0]) for case in CASES.values())
    assert {call.function for call in calls if call is not None} == set(NUMBERS)
    assert {path.name for path in KERNELS.glob("*.c")} <= {file_name for file_name, _, _ in FAULTS.values()}


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The driver and each kernel compiled without sanitizers, by the name of its source."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [DRIVER, *sorted(KERNELS.glob("*.c"))]
    return {source.name: compile_object(folder / f"{source.stem}.o", source) for source in sources}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(
    fault: str, tmp_path: Path, objects: dict[str, Path], expected: dict[str, bytes]
) -> None:
    file_name, right, wrong = FAULTS[fault]
    folder = tmp_path / "kernels"
    shutil.copytree(KERNELS, folder)
    text = (folder / file_name).read_text()
    assert right in text
    (folder / file_name).write_text(text.replace(right, wrong))
    kernel = KERNEL_OF_HEADER.get(file_name, file_name)
    faulty = compile_object(tmp_path / "faulty.o", folder / kernel, flags=("-Wno-error",))
    program = tmp_path / "driver"
    run([host_compiler(), *map(str, {**objects, kernel: faulty}.values()), "-o", str(program)])
    assert run_cases(program, CASES) != expected


@pytest.mark.parametrize("optimize", ["-Os", "-O2"])
@pytest.mark.parametrize("kernel", sorted(path.name for path in KERNELS.glob("*.c")))
def test_stack_is_what_the_header_promises(kernel: str, optimize: str, tmp_path: Path) -> None:
    """All frames of a kernel's file together: no function calls itself, so no call needs more."""
    flags = ("-std=c11", "-ffreestanding", "-fstack-usage", optimize, f"-I{INCLUDE}")
    target = tmp_path / "kernel.o"
    run([*cortex_m4_compiler("gcc"), *flags, "-c", str(KERNELS / kernel), "-o", str(target)])
    frames = [line.split("\t") for line in target.with_suffix(".su").read_text().splitlines()]
    assert all(kind == "static" for _, _, kind in frames)
    assert sum(int(size) for _, size, _ in frames) <= 512


def run_cases(program: Path, cases: dict[str, Case]) -> dict[str, bytes]:
    words = [np.array([len(cases)], np.int64)]
    for case in cases.values():
        words.extend(_words(case))
    output = run([str(program)], np.concatenate(words).astype("<i4").tobytes())
    sizes = [case.graph.output_bytes for case in cases.values()]
    assert len(output) == sum(sizes)
    ends = np.cumsum(sizes).tolist()
    return {name: output[end - size : end] for name, end, size in zip(cases, ends, sizes, strict=True)}


def _words(case: Case) -> Iterator[np.ndarray]:
    """The case as the driver reads it."""
    call = kernel_call(case.graph, case.graph.ops[0])
    assert call is not None
    yield np.array([NUMBERS[call.function]], np.int64)
    yield from _value_words(call.params)
    for array in case.inputs:
        yield from _array_words(array)
    yield np.array([case.graph.output_bytes], np.int64)


def _value_words(value: Value) -> Iterator[np.ndarray]:
    if isinstance(value, Integer):
        yield np.array([value.value], np.int64)
    elif isinstance(value, ConstantArray):
        yield from _array_words(value.values)
    else:
        for _, field in value.fields:
            yield from _value_words(field)


def _array_words(array: np.ndarray) -> Iterator[np.ndarray]:
    yield np.array([array.size], np.int64)
    yield array.reshape(-1).astype(np.int64)
