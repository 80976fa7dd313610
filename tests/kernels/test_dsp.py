"""The kernels for DSP instructions, compiled for 32-bit Linux and run by QEMU, against the NumPy executor.

The Cortex-A7 has the same DSP instructions as the Cortex-M4 in its Thumb-2 code.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import (
    Case,
    all_cases,
    depthwise_strip_cases,
    large_sum_case,
    mean_cases,
    narrow_depthwise_cases,
    odd_window_cases,
    output_stage_cases,
    packed_cases,
    quad_pool_cases,
    shallow_cases,
    short_add_cases,
    vector_cases,
    wide_mean_cases,
)
from kernels.compiling import INCLUDE, WARNINGS, run
from kernels.running import (
    driver_input,
    expected_output,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)

from edgekit.codegen.kernels.requantization.one_factor import one_factor
from edgekit.codegen.kernels.requantization.staircase import outputs, staircase, sum_bounds
from edgekit.codegen.layers import Program, lower
from edgekit.graph.ir import Conv2D
from edgekit.resources import firmware_folder

DRIVER = Path(__file__).with_name("driver.c")
GUARD = Path(__file__).with_name("guarded_malloc.c")
TIMEOUT_S = 120
_MOST_SUMS = 200_000
_EXACT_LIMIT = 1 << 30
LARGEST_EXACT = [large_sum_case(_EXACT_LIMIT - 1, sign) for sign in (1, -1)]


def _programs() -> tuple[dict[str, Case], dict[str, Program]]:
    """The cases that kernels with DSP instructions run, and their layers."""
    every = chain(
        all_cases(),
        vector_cases(),
        packed_cases(),
        output_stage_cases(),
        odd_window_cases(),
        narrow_depthwise_cases(),
        depthwise_strip_cases(),
        quad_pool_cases(),
        shallow_cases(),
        short_add_cases(),
    )
    cases = {case.name: case for case in (*every, *LARGEST_EXACT)}
    programs = {name: lower(case.graph, frozenset({"dsp"})) for name, case in cases.items()}
    for case in chain(mean_cases(), wide_mean_cases()):
        name = f"{case.name}, taken up row by row"
        cases[name], programs[name] = case, lower(case.graph, frozenset({"dsp"}), accumulate=True)
    programs = {name: program for name, program in programs.items() if _functions(program)}
    return {name: cases[name] for name in programs}, programs


def _functions(program: Program) -> list[str]:
    return [name for name in kernel_functions({"": program}) if name.startswith("ek_dsp_")]


CASES, PROGRAMS = _programs()


def _compile(folder: Path, firmware: Path) -> Path:
    """The driver, with the kernels of the folder ``firmware``; what lies behind an allocation is guarded."""
    if find_spec("ziglang") is None:
        pytest.skip("zig, which compiles for 32-bit Linux, is not installed")
    if shutil.which("qemu-arm") is None:
        pytest.skip("qemu-arm, which runs the kernels, is not installed")
    write_kernel_table(folder, kernel_functions(PROGRAMS), ["edgekit/ek_kernels_dsp.h"])
    # The driver includes the table behind <stdlib.h>: its malloc becomes the guarded one.
    with (folder / "kernel_table.h").open("a") as table:
        table.write("void *guarded_malloc(size_t size);\nvoid guarded_free(void *memory);\n")
        table.write("#define malloc guarded_malloc\n#define free guarded_free\n")
    program = folder / "driver"
    sources = [DRIVER, GUARD, *(firmware / source for source in kernel_files(PROGRAMS))]
    run(
        [
            *(sys.executable, "-m", "ziglang", "cc", "-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"),
            *("-mthumb", "-static", "-std=c11", "-Os", *WARNINGS, f"-I{INCLUDE}", f"-I{folder}"),
            *(*map(str, sources), "-o", str(program)),
        ]
    )
    return program


def _run_driver(program: Path, names: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    cases = {name: CASES[name] for name in names}
    data = driver_input(cases, PROGRAMS, kernel_functions(PROGRAMS), pointer_bytes=4)
    command = ["qemu-arm", "-cpu", "cortex-a7", str(program)]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_S)


def _differing(program: Path, names: Sequence[str], expected: dict[str, bytes]) -> list[str]:
    """The cases of ``names`` whose outputs are not the expected ones."""
    done = _run_driver(program, names)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    computed = done.stdout
    ends = np.cumsum([len(expected[name]) for name in names]).tolist()
    assert len(computed) == ends[-1]
    return [
        name
        for name, end in zip(names, ends, strict=True)
        if computed[end - len(expected[name]) : end] != expected[name]
    ]


@pytest.fixture(scope="session")
def dsp_expected() -> dict[str, bytes]:
    """Output of the NumPy executor for each case."""
    return {name: expected_output(CASES[name], program) for name, program in PROGRAMS.items()}


def test_kernels_equal_the_executor(tmp_path: Path, dsp_expected: dict[str, bytes]) -> None:
    driver = _compile(tmp_path, firmware_folder())
    assert _differing(driver, list(CASES), dsp_expected) == []


def test_every_kernel_has_cases() -> None:
    called = [name for program in PROGRAMS.values() for name in _functions(program)]
    assert {function: called.count(function) >= 10 for function in sorted(set(called))} == {
        "ek_dsp_accumulate_s8": True,
        "ek_dsp_add_s8": True,
        "ek_dsp_average_pool_2d_s8": True,
        "ek_dsp_conv_2d_exact_s8": True,
        "ek_dsp_conv_2d_of_threes_exact_s8": True,
        "ek_dsp_conv_2d_of_threes_s8": True,
        "ek_dsp_conv_2d_s8": True,
        "ek_dsp_depthwise_conv_2d_exact_s8": True,
        "ek_dsp_depthwise_conv_2d_s8": True,
        "ek_dsp_depthwise_windows_exact_s8": True,
        "ek_dsp_depthwise_windows_s8": True,
        "ek_dsp_fully_connected_exact_s8": True,
        "ek_dsp_fully_connected_s8": True,
        "ek_dsp_max_pool_2d_s8": True,
        "ek_dsp_shallow_conv_2d_s8": True,
        "ek_dsp_strided_depthwise_conv_2d_exact_s8": True,
        "ek_dsp_strided_depthwise_conv_2d_s8": True,
    }


# One slip each: file, what is right, what is wrong.
FAULTS = {
    "tile: sum of B in that of A": ("tile.S", "    sub r9, r9, r12\n", ""),
    "tile: entry into the loop": ("tile.S", "10b - 9b + 1, 11b - 9b", "10b - 9b + 1, 12b - 9b"),
    "tile: order of pixels": ("tile.S", "    strb r10, [r2, r4]\n", "    strb r10, [r2, r3]\n"),
    "finish: odd channel left out": ("finish.inc", "    b \\next\n", ""),
    "finish: ties of negative numbers": ("finish.inc", "    add \\sum, \\sum, \\sum, asr #31\n", ""),
    "expansion: a quad too many": (
        "expand.S",
        "    subs lr, lr, #1\n    blo 3f",
        "    cmp lr, #0\n    beq 3f",
    ),
    "expansion: rest of the second pixel": ("expand.S", "ldrsb r5, [r1], #1", "ldrsb r5, [r0], #1"),
    "expansion: place of the rest": ("expand.S", "addeq r7, r7, #4 * (\\pixels - 1)", "addeq r7, r7, #4"),
    "conv: tiles of two": ("conv_2d.c", "conv->tiles[kind]", "conv->tiles[0]"),
    "conv: right edge": ("conv_2d.c", "window <= row_bytes", "window <= row_bytes + conv->input.channels"),
    "conv: rests of copied rows": ("conv_2d.c", " + slot % 2;", ";"),
    "shallow: entry": ("shallow.S", "17b - 9b + 5", "16b - 9b + 5"),
    "shallow: odd number of pixels": ("shallow.S", "    it ne\n    subne r5, r5, r2\n", ""),
    "shallow: end of the strip": ("shallow_conv_2d.c", "input += pixels * CHANNELS", "input += pixels"),
    "dots: end of the loop": ("dot.S", "    bne 14b\n", ""),
    "fully connected: rest": ("fully_connected.c", "rest[r] = input[i];", "rest[r] = 0;"),
    "depthwise: halves": ("depthwise.S", "pkhtb r4, r12, r7, asr #16", "pkhtb r4, r12, r7"),
    "depthwise: third row": ("depthwise.S", "smlatt r11, lr, r7, r11", "smlabb r11, lr, r7, r11"),
    "depthwise: oldest column": ("depthwise.S", "    eor r0, r0, #32\n", ""),
    "depthwise: right edge": ("depthwise.S", "    sub r4, r12, r3\n", "    mov r4, r2\n"),
    "depthwise: last output at the edge": ("depthwise.S", "    sub r8, r8, #4\n", ""),
    "depthwise: left edge": ("depthwise_conv_2d.c", "(WINDOW - conv->outside)", "(uint32_t)WINDOW"),
    "depthwise: last channels": ("depthwise.S", "    movhi r9, r2\n", "    movhi r9, r9\n"),
    "depthwise: place of columns": (
        "depthwise_conv_2d.c",
        "columns = scratch + skipped",
        "columns = scratch",
    ),
    "columns: halves": ("columns.S", "pkhtb r10, r7, r6, asr #16", "pkhtb r10, r7, r6"),
    "columns: first one": ("columns.S", "bhs 2b", "bhi 2b"),
    "columns: odd last row": ("columns.S", "    strd r8, r9, [r2, #8]\n", ""),
    "columns: next pair": ("columns.S", "add r7, r7, #16", "add r7, r7, #0"),
    "windows: third channel": ("windows.S", "[r1, r2, lsl #1]", "[r1, r2]"),
    "windows: more than sixteen steps": ("windows.S", "    bne 2b\n", ""),
    "windows: next one": ("windows.S", "    add r0, r0, r4\n", "    add r0, r0, #16\n"),
    "windows: left edge": ("depthwise_windows.c", "fill(scratch, inside, conv->input_zero_point);", ""),
    "windows: right edge": (
        "depthwise_windows.c",
        "* pairs,\n             conv->input_zero",
        "* pairs,\n             0 * conv->input_zero",
    ),
    "windows: last channels": ("depthwise_windows.c", "(step - 1) * multiplier", "(QUAD - 1u) * multiplier"),
    "windows: other channels": ("depthwise_windows.c", "            windows.output++;\n", ""),
    "windows: distant columns": ("depthwise_windows.c", "(origin + begin * distance)", "(origin + begin)"),
    "windows: pixels between": ("depthwise_windows.c", "output + (uint32_t)pixel *", "output + 0u *"),
    "windows: next strip": ("depthwise_windows.c", "column += pixels * stride", "column += pixels"),
    "average: ties of negative numbers": (
        "average_pool_2d.c",
        "odd >> 15 & by.has_ties",
        "odd >> 31 & by.has_ties",
    ),
    "average: edges": ("average_pool_2d.c", "+ BIAS", "- 2 * BIAS"),
    "average: last channel": (
        "average_pool_2d.c",
        "multiply_upper(by.multiplier, odd",
        "multiply_upper(by.multiplier, even",
    ),
    "maximum: so far": ("max_pool_2d.c", "            so_far = output;\n", ""),
    "maximum: signs": ("words.h", "ssub8 %1, %0, %2", "usub8 %1, %0, %2"),
    "pool: left edge": ("pool.h", "(left + columns.begin)", "(left)"),
    "pool: stride": ("pool.h", "left += window.stride", "left++"),
    "accumulate: halves": ("accumulate.c", "(int16_t)sums.odd", "(int16_t)sums.even"),
    "accumulate: last channels": ("accumulate.c", ": channels - QUAD", ": i - QUAD"),
    "add: rest": ("add.c", "i < add->size; i++", "i + 1 < add->size; i++"),
    "clamp": ("clamp.h", "byte > highest ? highest : byte", "byte"),
}


# Those that are noticed because they touch a byte outside of what a kernel may; others give a wrong byte.
OVERRUNS = {
    "tile: entry into the loop",
    "expansion: a quad too many",
    "expansion: rest of the second pixel",
    "conv: tiles of two",
    "conv: right edge",
    "shallow: odd number of pixels",
    "depthwise: right edge",
    "depthwise: last output at the edge",
    "depthwise: left edge",
    "depthwise: last channels",
    "columns: first one",
    "windows: next one",
    "windows: last channels",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(fault: str, tmp_path: Path, dsp_expected: dict[str, bytes]) -> None:
    file_name, right, wrong = FAULTS[fault]
    firmware = tmp_path / "firmware"
    shutil.copytree(firmware_folder() / "kernels", firmware / "kernels")
    path = firmware / "kernels" / "dsp" / file_name
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    driver = _compile(tmp_path, firmware)
    names = [
        name
        for number, name in enumerate(CASES)
        if number % 3 == 0 or name.startswith("add") or name.endswith("ReLU")
    ]
    if fault in OVERRUNS:
        assert _run_driver(driver, names).returncode == -signal.SIGSEGV
    else:
        assert _differing(driver, names, dsp_expected) != []


@pytest.mark.parametrize("sign", [1, -1])
def test_exact_kernels_run_sums_that_can_be_doubled(sign: int) -> None:
    """The outputs of the first are among those that are compared."""
    features = frozenset({"dsp"})
    largest, too_large = (
        kernel_functions({"": lower(large_sum_case(sum_, sign).graph, features)})
        for sum_ in (_EXACT_LIMIT - 1, _EXACT_LIMIT)
    )
    assert largest == ["ek_dsp_depthwise_conv_2d_exact_s8"]
    assert too_large == ["ek_depthwise_conv_2d_s8"]


def test_averages_are_right_for_every_sum() -> None:
    """The arithmetic of average_pool_2d.c, with SMLAW as it is."""
    for count in range(1, 256):
        sums = np.arange(-128 * count, 127 * count + 1)
        average = np.sign(sums) * ((2 * np.abs(sums) + count) // (2 * count))
        lowered = sums - ((sums < 0) & (count % 2 == 0))
        assert lowered.min() >= -(2**15)
        multiplier = 2**30 // count + 1
        np.testing.assert_array_equal(((lowered * multiplier >> 16) + 2**13 + 8) >> 14, average)


def test_one_factor_is_right_for_every_sum() -> None:
    """The proof looks at both sides of each edge; here all sums are computed."""
    checked = 0
    for case in (*packed_cases(), *vector_cases()):
        (op,) = case.graph.ops
        if not isinstance(op, Conv2D):
            continue
        lowest, highest = sum_bounds(op, op.filter.reshape(len(op.filter), -1).astype(np.int64))
        unit_bits = np.where(np.arange(len(lowest)) % 2 == 1, 24, 32)
        stairs = staircase(op, lowest, highest, clamped=False)
        factor = one_factor(op, stairs, unit_bits) if stairs is not None else None
        count = int((highest - lowest).max()) + 1
        if factor is None or count > _MOST_SUMS:
            continue
        sums = np.minimum(lowest + np.arange(count)[:, None], highest)
        clamped = np.clip(factor.outputs(sums, unit_bits), op.activation_min, op.activation_max)
        np.testing.assert_array_equal(clamped, outputs(op, sums))
        checked += 1
    assert checked >= 6
