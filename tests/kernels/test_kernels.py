"""The C kernels against the NumPy executor, byte by byte, under the address and undefined sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import Case, all_cases, large_pool_cases, long_softmax_cases
from kernels.compiling import (
    INCLUDE,
    KERNELS,
    SANITIZERS,
    compile_object,
    compile_program,
    cortex_m4_compiler,
    host_compiler,
    run,
)
from kernels.running import (
    driver_input,
    expected_output,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)
from kernels.strict_cortex_m import compile_strict, run_strict

from edgekit.codegen.kernels import TABLES
from edgekit.codegen.layers import Program, lower
from edgekit.graph.ir import Softmax

CASES = {case.name: case for case in (*all_cases(), *long_softmax_cases(), *large_pool_cases())}
DRIVER = Path(__file__).with_name("driver.c")


AT_ONCE, BY_TABLE = " at once", " by a table"


@pytest.fixture(scope="session")
def programs() -> dict[str, Program]:
    """Each case as layers; means that can be are two, and each softmax also runs by a table where it can."""
    at_once = {name + AT_ONCE: lower(case.graph) for name, case in CASES.items() if len(_layers(case)) > 1}
    by_table = {
        name + BY_TABLE: lower(case.graph, frozenset({TABLES}))
        for name, case in CASES.items()
        if isinstance(case.graph.ops[0], Softmax)
    }
    return {name: lower(case.graph, accumulate=True) for name, case in CASES.items()} | at_once | by_table


def _layers(case: Case) -> tuple[object, ...]:
    return lower(case.graph, accumulate=True).layers


@pytest.fixture(scope="session")
def cases(programs: dict[str, Program]) -> dict[str, Case]:
    """The case of each program."""
    return {name: CASES[name.removesuffix(AT_ONCE).removesuffix(BY_TABLE)] for name in programs}


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory, programs: dict[str, Program]) -> Path:
    """The folder with kernel_table.h."""
    folder = tmp_path_factory.mktemp("table")
    write_kernel_table(folder, kernel_functions(programs))
    return folder


@pytest.fixture(scope="session")
def computed(
    tmp_path_factory: pytest.TempPathFactory,
    table: Path,
    cases: dict[str, Case],
    programs: dict[str, Program],
) -> dict[str, bytes]:
    """Output of the C kernels for each case, all from one process."""
    target = tmp_path_factory.mktemp("kernels") / "driver"
    flags = (*SANITIZERS, f"-I{table}")
    program = compile_program(target, [DRIVER, *sorted(KERNELS.glob("*.c"))], flags)
    return run_cases(program, cases, programs)


@pytest.fixture(scope="session")
def expected(cases: dict[str, Case], programs: dict[str, Program]) -> dict[str, bytes]:
    """Output of the NumPy executor for each case."""
    return {name: expected_output(case, programs[name]) for name, case in cases.items()}


def test_kernels_equal_the_executor(computed: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert [name for name in expected if computed[name] != expected[name]] == []


def test_kernels_need_no_unaligned_words(
    table: Path,
    tmp_path: Path,
    cases: dict[str, Case],
    programs: dict[str, Program],
    expected: dict[str, bytes],
) -> None:
    shutil.copy(table / "kernel_table.h", tmp_path)
    image = compile_strict(tmp_path, sorted(KERNELS.glob("*.c")))
    data = driver_input(cases, programs, kernel_functions(programs), pointer_bytes=4)
    assert run_strict(image, data) == b"".join(expected.values())


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
    "conv: left border": ("conv_2d.c", "x * window.stride - window.pad_left", "x * window.stride"),
    "conv: dilation": ("conv_2d.c", "(int32_t)window.dilation * in", "in"),
    "conv: rows above": ("conv_2d.c", "taps->rows_inside.begin * taps->weights_row", "0"),
    "depthwise: multiplier": ("depthwise_conv_2d.c", "c = run + i * step", "c = run + i"),
    "fully connected: zero point": ("fully_connected.c", "factor != 0", "factor > 0"),
    "add: operands swapped": ("add.c", "operands[0]", "operands[1]"),
    "average: truncated": ("quotient.h", "128 * count + count / 2", "128 * count"),
    "average: tie of a negative sum": ("quotient.h", " - is_tie_moved", " - 0 * is_tie_moved"),
    "pool: stride": ("pool.h", "left += window.stride", "left += 1"),
    "max: lower clamp": ("max_pool_2d.c", "pool->activation_min", "INT8_MIN"),
    "max: upper clamp": ("max_pool_2d.c", "value > pool->activation_max ? pool->activation_max :", ""),
    "max: columns": ("max_pool_2d.c", "place += channels", "place = end"),
    "mean: zero point": ("mean.c", "mean->output_zero_point", "0"),
    "mean: input zero point": ("mean.c", "0u - (uint32_t)zero", "(uint32_t)zero"),
    "pad: value": ("pad.c", "const int8_t value = pad->value", "const int8_t value = 0"),
    "average: rows": ("average_pool_2d.c", "rows_end - inside->rows", "rows_end - inside->rows + 1"),
    "accumulate: starts anew": ("accumulate.c", "before != NULL ? ek_get_sum(before, channel) : 0", "0"),
    "average of sums: channel": ("average_of_sums.c", "rows[0], channel", "rows[0], 0"),
    "mean of sums: offset": ("mean_of_sums.c", "mean->offset", "0"),
    "softmax: highest": ("softmax.c", "> highest ? input[i]", "> highest + 1 ? input[i]"),
    "softmax: quarters": ("softmax.c", "quarters & 1", "quarters & 2"),
    "softmax: half of the output": (
        "softmax.h",
        "(uint64_t)(UINT32_C(1) << (factor.exponent - 2))",
        "0 * (uint64_t)1",
    ),
    "softmax: summand truncated": ("softmax.h", "(uint32_t)exponential + half", "(uint32_t)exponential"),
    "softmax: one Newton step": ("softmax.h", "step < 3", "step < 1"),
    "softmax: nothing left": ("softmax.h", "factor.exponent > 31", "factor.exponent > 99"),
    "softmax of two: order": ("softmax_of_two.c", "output[0] = difference < 0", "output[0] = difference > 0"),
    "softmax of two: most distant": ("softmax_of_two.c", "lower == INT8_MIN ? INT8_MAX : -lower", "-lower"),
    "softmax of two: table's end": ("softmax_of_two.c", "distance < softmax->distances", "distance > -1"),
    "softmax by table: last entry": (
        "softmax_table.c",
        "difference < differences ?",
        "difference < differences - 1 ?",
    ),
    "softmax of many: count": (
        "softmax_of_many.c",
        "counts[(uint8_t)*input]++",
        "counts[(uint8_t)*input] = 1",
    ),
    "softmax of many: wrap": ("softmax_of_many.c", "highest = INT8_MAX", "highest = 120"),
    "softmax of many: left from before": (
        "softmax_of_many.c",
        "counts_words, 0, VALUES / 2",
        "counts_words, 0, 1",
    ),
}
# A fault in a header is planted into one kernel that includes it.
KERNEL_OF_HEADER = (
    dict.fromkeys(("requantize.h", "dot.h", "lanes.h"), "fully_connected.c")
    | dict.fromkeys(("window.h", "pool.h", "quotient.h"), "average_pool_2d.c")
    | {"softmax.h": "softmax_of_many.c"}
)


_ALL_MEANS = """
#include <stdio.h>
#include "quotient.h"
int main(void) {
    for (int32_t count = 1; count <= 300; count++) {
        const ek_divisor divisor = ek_divisor_of((uint32_t)count);
        for (int32_t sum = -128 * count; sum <= 127 * count; sum++) {
            const int32_t half = sum < 0 ? -(count / 2) : count / 2;
            if (ek_rounded_quotient(sum, divisor) != (sum + half) / count) {
                printf("%d / %d", (int)sum, (int)count);
                return 0;
            }
        }
    }
    return 0;
}
"""


def test_means_are_right_for_every_sum(tmp_path: Path) -> None:
    (tmp_path / "means.c").write_text(_ALL_MEANS)
    program = compile_program(tmp_path / "means", [tmp_path / "means.c"], (*SANITIZERS, f"-I{KERNELS}"))
    assert run([str(program)]) == b""


def test_every_kernel_has_cases_and_a_fault(programs: dict[str, Program]) -> None:
    files = {path.name for path in KERNELS.glob("*.c")}
    assert {Path(name).name for name in kernel_files(programs)} == files
    assert files <= {file_name for file_name, _, _ in FAULTS.values()}


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory, table: Path) -> dict[str, Path]:
    """The driver and each kernel compiled without sanitizers, by the name of its source."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [DRIVER, *sorted(KERNELS.glob("*.c"))]
    return {
        source.name: compile_object(folder / f"{source.stem}.o", source, (f"-I{table}",))
        for source in sources
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(
    fault: str,
    tmp_path: Path,
    objects: dict[str, Path],
    cases: dict[str, Case],
    programs: dict[str, Program],
    expected: dict[str, bytes],
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
    concerned = {name for name in cases if f"kernels/{kernel}" in kernel_files({name: programs[name]})}
    assert run_cases(program, cases, programs, concerned) != {name: expected[name] for name in concerned}


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


def run_cases(
    program: Path, cases: dict[str, Case], programs: dict[str, Program], only: set[str] | None = None
) -> dict[str, bytes]:
    """The driver's output for each case; what there is of it where a faulty driver fails or hangs."""
    chosen = {name: case for name, case in cases.items() if only is None or name in only}
    data = driver_input(chosen, programs, kernel_functions(programs))
    try:
        done = subprocess.run(
            [str(program)], input=data, capture_output=True, check=False, timeout=None if only is None else 20
        )
    except subprocess.TimeoutExpired:
        assert only is not None
        return {}
    assert only is not None or done.returncode == 0, done.stderr.decode(errors="replace")
    sizes = [len(expected_output(case, programs[name])) for name, case in chosen.items()]
    ends = np.cumsum(sizes).tolist()
    return {name: done.stdout[end - size : end] for name, end, size in zip(chosen, ends, sizes, strict=True)}
