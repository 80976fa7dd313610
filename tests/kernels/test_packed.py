"""The packed kernels against the NumPy executor: their C under the sanitizers, on RV32IMC and on Armv6, their
assembly as Thumb-1 code, run by QEMU, once where every word must be aligned."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import Case, all_cases, mean_cases, packed_cases, vector_cases, wide_mean_cases
from kernels.compiling import INCLUDE, SANITIZERS, WARNINGS, host_compiler, run
from kernels.running import (
    driver_input,
    expected_output,
    is_run_by,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)
from kernels.strict_cortex_m import compile_strict, run_strict

from edgekit.codegen.kernels.requantization.staircase import outputs, staircase, sum_bounds
from edgekit.codegen.kernels.requantization.two_factors import two_factors
from edgekit.codegen.layers import Program, lower
from edgekit.graph.ir import Add, Conv2D, DepthwiseConv2D, FullyConnected
from edgekit.resources import firmware_folder

DRIVER = Path(__file__).with_name("driver.c")
HEADER = "edgekit/ek_kernels_packed.h"
TIMEOUT_S = 120
_MOST_SUMS = 200_000


@dataclass(frozen=True)
class Target:
    """How to compile for a core, and what runs its programs."""

    compiler: tuple[str, ...]
    runner: tuple[str, ...]
    pointer_bytes: int
    has_assembly: bool = False
    is_strict: bool = False  # bare metal that traps what is not aligned (strict_cortex_m.py)


def _zig(*flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ziglang", "cc", "-static", "-Os", *flags)


TARGETS = {
    "host": Target((), (), 8),
    "cortex-m0": Target((), (), 4, has_assembly=True, is_strict=True),
    # Thumb-1 of Armv6, of which Armv6-M is a part.
    "armv6m": Target(
        _zig("-target", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s", "-mthumb"), ("qemu-arm",), 4, True
    ),
    "armv6": Target(_zig("-target", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s"), ("qemu-arm",), 4),
    "rv32": Target(_zig("-target", "riscv32-linux-musl", "-mcpu=generic_rv32+m+a+c"), ("qemu-riscv32",), 4),
}


def _programs() -> tuple[dict[str, Case], dict[str, Program]]:
    """The cases that packed kernels run, and their layers."""
    cases = {case.name: case for case in (*all_cases(), *vector_cases(), *packed_cases())}
    programs = {name: lower(case.graph, frozenset({"armv6m"})) for name, case in cases.items()}
    for case in (*mean_cases(), *wide_mean_cases()):
        name = f"{case.name}, taken up row by row"
        cases[name], programs[name] = case, lower(case.graph, frozenset({"armv6m"}), accumulate=True)
    programs = {name: program for name, program in programs.items() if is_run_by(program, "kernels/packed/")}
    return {name: cases[name] for name in programs}, programs


CASES, PROGRAMS = _programs()


def _compile(folder: Path, target: Target, firmware: Path) -> Path:
    if target.compiler and find_spec("ziglang") is None:
        pytest.skip("zig, which compiles for this core, is not installed")
    if target.runner and shutil.which(target.runner[0]) is None:
        pytest.skip(f"{target.runner[0]}, which runs the kernels, is not installed")
    write_kernel_table(folder, kernel_functions(PROGRAMS), [HEADER])
    kernels = [name for name in kernel_files(PROGRAMS) if target.has_assembly or name.endswith(".c")]
    if target.is_strict:
        return compile_strict(folder, [firmware / name for name in kernels])
    sources = [DRIVER, *(firmware / name for name in kernels)]
    compiler = target.compiler or (host_compiler(), "-O1", *SANITIZERS)
    command = [*compiler, "-std=c11", *WARNINGS, f"-I{INCLUDE}", f"-I{folder}"]
    run([*command, *map(str, sources), "-o", str(folder / "driver")])
    return folder / "driver"


def _differing(driver: Path, target: Target, names: list[str], expected: dict[str, bytes]) -> list[str]:
    """The cases of ``names`` whose outputs are not the expected ones."""
    data = driver_input(
        {name: CASES[name] for name in names}, PROGRAMS, kernel_functions(PROGRAMS), target.pointer_bytes
    )
    written = run_strict(driver, data) if target.is_strict else _run(driver, target, data)
    ends = np.cumsum([len(expected[name]) for name in names]).tolist()
    assert len(written) == ends[-1]
    return [
        name
        for name, end in zip(names, ends, strict=True)
        if written[end - len(expected[name]) : end] != expected[name]
    ]


def _run(driver: Path, target: Target, data: bytes) -> bytes:
    command = [*target.runner, str(driver)]
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return bytes(done.stdout)


@pytest.fixture(scope="session")
def packed_expected() -> dict[str, bytes]:
    """Output of the NumPy executor for each case."""
    return {name: expected_output(CASES[name], PROGRAMS[name]) for name in CASES}


@pytest.mark.parametrize("core", TARGETS)
def test_kernels_equal_the_executor(core: str, tmp_path: Path, packed_expected: dict[str, bytes]) -> None:
    target = TARGETS[core]
    driver = _compile(tmp_path, target, firmware_folder())
    assert _differing(driver, target, list(CASES), packed_expected) == []


def test_every_kernel_has_cases() -> None:
    assert kernel_functions(PROGRAMS) == [
        "ek_mean_of_sums_s8",
        "ek_packed_accumulate_s8",
        "ek_packed_add_s8",
        "ek_packed_conv_2d_s8",
        "ek_packed_conv_2d_signed_s8",
        "ek_packed_depthwise_conv_2d_s8",
        "ek_packed_fully_connected_s8",
    ]
    kinds = Counter(type(case.graph.ops[0]) for case in CASES.values())
    assert kinds[Conv2D] > 80
    assert kinds[DepthwiseConv2D] > 20
    assert kinds[FullyConnected] > 40
    assert kinds[Add] >= 10
    depthwise = [name for name, case in CASES.items() if isinstance(case.graph.ops[0], DepthwiseConv2D)]
    sources = kernel_files({name: PROGRAMS[name] for name in depthwise})
    assert {"kernels/packed/conv_2d.c", "kernels/packed/depthwise_conv_2d.c"} <= set(sources)


# One slip each: file, what is right, what is wrong.
FAULTS = {
    "lane not made positive": ("armv6m", "tile.S", "    add r4, r12\n", ""),
    "second lane not made positive": ("armv6m", "tile.S", "    add r5, r12\n", ""),
    "offset of pixel 3": ("armv6m", "tile.S", "3, OFFSET_3", "3, OFFSET_2"),
    "place of words": ("armv6m", "tile.S", "adds r1, r1, r3", "mov r1, r3"),
    "number of quads": ("armv6m", "tile.S", "lsls r2, r2, #14", "lsls r2, r2, #15"),
    "sign of a scattered weight": ("armv6m", "tile.S", "asrs r2, r2, #24", "lsrs r2, r2, #24"),
    "place of a scattered weight": ("armv6m", "tile.S", "uxth r1, r2", "uxtb r1, r2"),
    "zero never drops": ("armv6m", "tile.S", "bcs 1f", "b 1f"),
    "cut below": ("armv6m", "channel_run.S", "blt 1f", "bge 1f"),
    "second of two pixels": ("armv6m", "channel_run.S", "    add lr, r3\n", ""),
    "constants of two pixels": ("armv6m", "channel_run.S", "requantize first, 1", "requantize first, 0"),
    "fraction of a factor": ("armv6m", "channel_run.S", "lsrs r3, r3, #13", "lsrs r3, r3, #12"),
    "pixel behind the pairs": ("armv6m", "depthwise_conv_2d.c", "count & ~1", "count"),
    "cut above": ("armv6m", "tile.S", "bhi ", "bmi "),
    "channels of words": ("armv6m", "words.S", "ldrsb r6, [r3, r4]", "ldrsb r6, [r2, r4]"),
    "tile: lane in C": ("host", "tile_c.h", "products + POSITIVE", "products"),
    "tile: couple in C": ("host", "tile_c.h", "x1[1] * w1", "x1[0] * w1"),
    "drop in C": ("host", "requantize.h", "result += constants[5];", ""),
    "behind the row's end": ("host", "conv_2d.c", "i : width - 1 - x", "i : 0"),
    "left edge": ("host", "conv_2d.c", "i < end && i < 0", "i < end && i < -1"),
    "hanging right": ("host", "depthwise_conv_2d.c", "x >= 0 && x < conv->input.width", "x >= 0"),
    "word that is not aligned": (
        *("cortex-m0", "words.S"),
        *("ldrsb r6, [r3, r4]", "ldr r6, [r3, r4]\n    ldrsb r6, [r3, r4]"),
    ),
    "too much stack": (
        *("armv6m", "add.c"),
        *("(void)scratch;", "(void)scratch; volatile int8_t deep[520]; deep[add->size & 1] = 0;"),
    ),
    "accumulate: byte": ("cortex-m0", "accumulate.c", "bytes >> 8", "bytes >> 7"),
    "accumulate: bias": ("host", "accumulate.c", "bias = 128", "bias = 127"),
    "accumulate: starts anew": ("armv6", "accumulate.c", "before == NULL", "before == output"),
    "accumulate: channels": ("rv32", "accumulate.c", "quad += channels", "quad += channels - QUAD"),
    "sum of a filter": ("armv6m", "dots.S", "dot r11", "dot r10"),
    "mask of odd weights": ("armv6m", "dots.S", "lsls r3, r2, #16", "lsls r3, r2, #15"),
    "start of a quad": ("armv6m", "dots.S", "    adds r6, r6, r3\n", ""),
    "run's inputs": ("armv6m", "dots.S", "QUAD_BYTES 12", "QUAD_BYTES 8"),
    "dots: lower half not made positive": ("host", "fully_connected.c", "32768 - ", "0u - "),
    "element behind the last": ("host", "fully_connected.c", "index < depth", "depth > 0"),
    "constants of the next output": ("host", "fully_connected.c", "+= layer->constants_words", "+= 0"),
    "add: offset": ("host", "add.c", " + offset", " - offset"),
    "outside": ("host", "depthwise_conv_2d.c", "conv->input_zero_point, channels", "0, channels"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(fault: str, tmp_path: Path, packed_expected: dict[str, bytes]) -> None:
    core, file_name, right, wrong = FAULTS[fault]
    firmware = tmp_path / "firmware"
    shutil.copytree(firmware_folder() / "kernels", firmware / "kernels")
    path = firmware / "kernels" / "packed" / file_name
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    driver = _compile(tmp_path, TARGETS[core], firmware)
    try:
        differing = _differing(driver, TARGETS[core], list(CASES), packed_expected)
    except AssertionError as error:
        # The sanitizers saw a byte too many, or the processor an address that is none.
        differing = [str(error)]
    assert differing != []


def test_two_factors_are_right_for_every_sum() -> None:
    """The proof looks at both sides of each edge; here all sums are computed."""
    checked = dropped = 0
    for case in packed_cases():
        (op,) = case.graph.ops
        if not isinstance(op, Conv2D):
            continue
        weights = op.filter.reshape(len(op.filter), -1).astype(np.int64)
        lowest, highest = sum_bounds(op, weights)
        stairs = staircase(op, lowest, highest)
        factors = two_factors(op, stairs) if stairs is not None else None
        count = int((highest - lowest).max()) + 1
        if factors is None or count > _MOST_SUMS:
            continue
        sums = np.minimum(lowest + np.arange(count)[:, None], highest)
        np.testing.assert_array_equal(factors.outputs(sums), outputs(op, sums))
        checked, dropped = checked + 1, dropped + bool(factors.drop.any())
    assert checked >= 6
    assert dropped >= 2
