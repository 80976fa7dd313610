"""The kernels for Advanced SIMD, compiled for Linux and run by QEMU, against the NumPy executor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import all_cases, large_pool_cases, vector_cases, wide_mean_cases
from kernels.compiling import INCLUDE, WARNINGS, run
from kernels.running import (
    driver_input,
    expected_output,
    is_run_by,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)

from edgekit.codegen.layers import Program, lower
from edgekit.resources import firmware_folder

CASES = {case.name: case for case in (*all_cases(), *vector_cases(), *large_pool_cases(), *wide_mean_cases())}
BY_ROWS = " row by row"
DRIVER = Path(__file__).with_name("driver.c")
GUARD = Path(__file__).with_name("guarded_malloc.c")
TIMEOUT_S = 120


@dataclass(frozen=True)
class Target:
    """A core, how to compile for it and what runs its programs."""

    features: frozenset[str]
    zig_target: str
    zig_cpu: str
    command: tuple[str, ...]
    pointer_bytes: int


TARGETS = {
    "cortex-a72": Target(
        frozenset({"aarch64", "neon"}),
        "aarch64-linux-musl",
        "cortex_a72",
        ("qemu-aarch64", "-cpu", "cortex-a72"),
        8,
    ),
    "cortex-a76": Target(
        frozenset({"aarch64", "neon", "dotprod"}),
        "aarch64-linux-musl",
        "cortex_a76",
        ("qemu-aarch64", "-cpu", "cortex-a76"),
        8,
    ),
    "cortex-a7": Target(
        frozenset({"neon"}), "arm-linux-musleabihf", "cortex_a7", ("qemu-arm", "-cpu", "cortex-a7"), 4
    ),
}


def neon_programs(features: frozenset[str]) -> dict[str, Program]:
    """Those cases that kernels for NEON run, as layers; means that can be in both ways."""
    programs = {name: lower(case.graph, features) for name, case in CASES.items()}
    by_rows = {name: lower(case.graph, features, accumulate=True) for name, case in CASES.items()}
    programs |= {name + BY_ROWS: program for name, program in by_rows.items() if len(program.layers) > 1}
    return {name: program for name, program in programs.items() if is_run_by(program, "kernels/neon/")}


PROGRAMS = {name: neon_programs(target.features) for name, target in TARGETS.items()}


def compile_driver(folder: Path, target: Target, programs: dict[str, Program], firmware: Path) -> Path:
    """The driver for ``programs``, with the kernels of the folder ``firmware``."""
    if find_spec("ziglang") is None:
        pytest.skip("zig, which compiles for these cores, is not installed")
    if shutil.which(target.command[0]) is None:
        pytest.skip(f"{target.command[0]}, which runs the kernels, is not installed")
    write_kernel_table(folder, kernel_functions(programs), ["edgekit/ek_kernels_neon.h"])
    # The driver includes the table behind <stdlib.h>: its malloc becomes the guarded one.
    with (folder / "kernel_table.h").open("a") as table:
        table.write("void *guarded_malloc(size_t size);\nvoid guarded_free(void *memory);\n")
        table.write("#define malloc guarded_malloc\n#define free guarded_free\n")
    program = folder / "driver"
    sources = [firmware / source for source in kernel_files(programs)]
    run(
        [
            *(sys.executable, "-m", "ziglang", "cc", "-target", target.zig_target),
            *(f"-mcpu={target.zig_cpu}", "-static", "-std=c11", "-Os", *WARNINGS),
            *(f"-I{INCLUDE}", f"-I{folder}", str(DRIVER), str(GUARD), *map(str, sources), "-o", str(program)),
        ]
    )
    return program


def run_driver(program: Path, target: Target, programs: dict[str, Program], names: Sequence[str]) -> bytes:
    cases = {name: CASES[name.removesuffix(BY_ROWS)] for name in names}
    data = driver_input(cases, programs, kernel_functions(programs), target.pointer_bytes)
    command = [*target.command, str(program)]
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return bytes(done.stdout)


@pytest.fixture(scope="session")
def expected() -> dict[str, bytes]:
    """Output of the NumPy executor for each case, which cores have in common."""
    programs = {name: program for core in PROGRAMS.values() for name, program in core.items()}
    return {
        name: expected_output(CASES[name.removesuffix(BY_ROWS)], program)
        for name, program in programs.items()
    }


def differing(outputs: bytes, names: Sequence[str], expected: dict[str, bytes]) -> list[str]:
    """The cases whose outputs are not the expected ones."""
    ends = np.cumsum([len(expected[name]) for name in names]).tolist()
    starts = [0, *ends[:-1]]
    return [
        name
        for name, start, end in zip(names, starts, ends, strict=True)
        if outputs[start:end] != expected[name]
    ]


@pytest.mark.parametrize("core", TARGETS)
def test_kernels_equal_the_executor(core: str, tmp_path: Path, expected: dict[str, bytes]) -> None:
    target, programs = TARGETS[core], PROGRAMS[core]
    driver = compile_driver(tmp_path, target, programs, firmware_folder())
    names = list(programs)
    outputs = run_driver(driver, target, programs, names)
    assert differing(outputs, names, expected) == []
    assert len(outputs) == sum(len(expected[name]) for name in names)


# One slip each: core, kernel, file, what is right, what is wrong.
FAULTS = {
    "tie of a negative number": (
        *("cortex-a72", "conv", "stage.h"),
        "vsraq_n_s32(x, vandq_s32(x, shift), 31)",
        "x",
    ),
    "no left shift": (
        *("cortex-a72", "conv", "stage.h"),
        "vmaxq_s32(shifts, vdupq_n_s32(0))",
        "vdupq_n_s32(0)",
    ),
    "columns to the left": (
        *("cortex-a72", "depthwise_conv", "copies.h"),
        "row, copies->left_bytes, value",
        "row, 0, value",
    ),
    "columns to the right": (
        *("cortex-a72", "depthwise_conv", "copies.h"),
        "copies->pitch_bytes - behind",
        "0 * behind",
    ),
    "runs": ("cortex-a76", "dot_conv", "convolve.h", "conv->run_offsets[run]", "conv->run_offsets[0]"),
    "lane": ("cortex-a76", "dot_conv", "dot_conv.c", "bytes[p], 3)", "bytes[p], 2)"),
    "pairs": ("cortex-a7", "conv", "conv.c", "vdup_n_s8(2)", "vdup_n_s8(1)"),
    "second tap": ("cortex-a72", "depthwise_conv", "depthwise_conv.c", "offset[1]", "offset[0]"),
    "part of a pixel": (
        *("cortex-a72", "depthwise_conv", "depthwise_conv.c"),
        "conv->row_bytes - now.place)",
        "conv->row_bytes - now.place - 1)",
    ),
    "pool: last channels": ("cortex-a72", "max_pool_2d", "pool.h", ": channels - EK", ": channel - EK"),
    "max: clamp": (
        "cortex-a72",
        "max_pool_2d",
        "max_pool_2d.c",
        "value = lowest",
        "value = vmin_s8(lowest, vdup_n_s8(-128))",
    ),
    "max: columns": ("cortex-a7", "max_pool_2d", "max_pool_2d.c", "column = columns", "column = columns - 1"),
    "average: tie": ("cortex-a72", "average_pool_2d", "average_pool_2d.c", "~divisor", "divisor"),
    "average: upper half": (
        "cortex-a7",
        "average_pool_2d",
        "average_pool_2d.c",
        "vget_high_u16(d",
        "vget_low_u16(d",
    ),
    "average: sign": (
        "cortex-a72",
        "average_pool_2d",
        "average_pool_2d.c",
        "vdup_n_u8(0x80)",
        "vdup_n_u8(0)",
    ),
    "mean: offset": ("cortex-a72", "mean", "mean.c", "(-mean->input_zero", "(mean->input_zero"),
    "mean: upper half": (
        "cortex-a7",
        "mean",
        "mean.c",
        "(high, mean->multiplier)",
        "(low, mean->multiplier)",
    ),
    "accumulate: starts anew": (
        "cortex-a72",
        "accumulate",
        "accumulate.c",
        "before != NULL",
        "before == output",
    ),
    "accumulate: upper half": (
        "cortex-a7",
        "accumulate",
        "accumulate.c",
        "vget_high_s16(sums)",
        "vget_low_s16(sums)",
    ),
    "operands swapped": ("cortex-a72", "add", "add.c", "&add->operands[which]", "&add->operands[which ^ 1]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(fault: str, tmp_path: Path, expected: dict[str, bytes]) -> None:
    core, kernel, file_name, right, wrong = FAULTS[fault]
    firmware = tmp_path / "firmware"
    shutil.copytree(firmware_folder() / "kernels", firmware / "kernels")
    file = firmware / "kernels" / "neon" / file_name
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    source = f"kernels/neon/{kernel}.c"
    target = TARGETS[core]
    programs = {
        name: program for name, program in PROGRAMS[core].items() if source in kernel_files({name: program})
    }
    driver = compile_driver(tmp_path, target, programs, firmware)
    names = list(programs)
    try:
        found = differing(run_driver(driver, target, programs, names), names, expected)
    except AssertionError as error:  # a byte too many
        found = [str(error)]
    assert found
