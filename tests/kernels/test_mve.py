"""The kernels for Helium on an emulated Cortex-M55, against the NumPy executor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import (
    Case,
    all_cases,
    depthwise_window_cases,
    output_stage_cases,
    packed_cases,
    rounded_once_cases,
    vector_cases,
    wide_mean_cases,
    wide_pool_cases,
)
from kernels.compiling import INCLUDE, WARNINGS, compile_program, run
from kernels.running import (
    driver_input,
    expected_output,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)

from edgekit.codegen.kernels.addition import add_constants
from edgekit.codegen.layers import Program, lower
from edgekit.graph.executor import execute
from edgekit.graph.ir import Add
from edgekit.resources import firmware_folder
from edgekit.toolchains.cores import CORES

HERE = Path(__file__).parent
CORE = CORES["cortex-m55"]
TIMEOUT_S = 120
FEATURES = frozenset({"mve"})
CASES = {
    case.name: case
    for case in (
        *(*all_cases(), *vector_cases(), *packed_cases(), *output_stage_cases(), *rounded_once_cases()),
        *(*depthwise_window_cases(), *wide_pool_cases(), *wide_mean_cases()),
    )
}
BY_ROWS = "{}, by rows"


def mve_programs() -> dict[str, Program]:
    """Those cases that kernels for Helium run, as layers; of means taken up row by row the first of two."""
    programs = {name: lower(case.graph, FEATURES) for name, case in CASES.items()}
    for name, case in CASES.items():
        by_rows = lower(case.graph, FEATURES, accumulate=True)
        if by_rows.layers[0].is_partial:
            programs[BY_ROWS.format(name)] = replace(by_rows, layers=by_rows.layers[:1])
    return {
        name: program
        for name, program in programs.items()
        if all(source.startswith("kernels/mve/") for source in kernel_files({"": program}))
    }


PROGRAMS = mve_programs()
CASES |= {BY_ROWS.format(name): case for name, case in CASES.items() if BY_ROWS.format(name) in PROGRAMS}


def gcc() -> list[str]:
    """The compiler that has a C library for the core; skips the test where it or the emulator is missing."""
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return ["arm-none-eabi-gcc", *CORE.gcc_flags]


def compiler(name: str) -> list[str]:
    """What compiles the kernels."""
    if name == "gcc":
        return gcc()
    if find_spec("ziglang") is None:
        pytest.skip("zig is not installed")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", str(CORE.zig_target)]
    # Enumerations are as short as in GCC's C library, or its linker warns.
    return [*zig, f"-mcpu={CORE.zig_cpu}", "-ffreestanding", "-fshort-enums"]


def compile_kernel(folder: Path, name: str, source: Path) -> Path:
    """The object of a kernel's file."""
    target = folder / f"{source.name}.o"
    flags = ["-std=c11", "-Os", *WARNINGS, "-fomit-frame-pointer", f"-I{INCLUDE}"]
    run([*compiler(name), *flags, "-c", str(source), "-o", str(target)])
    return target


def link(folder: Path, objects: Sequence[Path]) -> Path:
    """The driver with those kernels."""
    link_with = gcc()
    write_kernel_table(folder, kernel_functions(PROGRAMS), ["edgekit/ek_kernels_mve.h"])
    common = ["-std=c11", "-O1", f"-I{INCLUDE}", f"-I{folder}"]
    allocation = ["-Dmain=driver_main", "-Dmalloc=guarded_malloc", "-Dfree=guarded_free"]
    driver, image = folder / "driver.o", folder / "driver.elf"
    run([*link_with, *common, *allocation, "-c", str(HERE / "driver.c"), "-o", str(driver)])
    run(
        [
            *(*link_with, *common, "--specs=rdimon.specs", "-Wl,--no-warn-execstack"),
            *(str(HERE / "semihosting.c"), str(driver), *map(str, objects)),
            *("-T", str(HERE / "mps3_an547.ld"), "-o", str(image)),
        ]
    )
    return image


def compile_kernels(folder: Path, name: str) -> dict[str, Path]:
    """The object of each file of the kernels."""
    sources = [firmware_folder() / source for source in kernel_files(PROGRAMS)]
    return {source.name: compile_kernel(folder, name, source) for source in sources}


def outputs(image: Path, names: Sequence[str]) -> dict[str, bytes]:
    """What the kernels make of those cases; what there is of it where the driver fails."""
    cases = {name: CASES[name] for name in names}
    folder = image.parent
    (folder / "cases.bin").write_bytes(driver_input(cases, PROGRAMS, kernel_functions(PROGRAMS), 4))
    (folder / "outputs.bin").write_bytes(b"")
    command = ["qemu-system-arm", "-M", "mps3-an547", "-display", "none", "-monitor", "none"]
    command += ["-serial", "none", "-semihosting", "-kernel", str(image)]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=TIMEOUT_S)
    data = (folder / "outputs.bin").read_bytes() if done.returncode == 0 else b""
    sizes = [len(expected(name)) for name in names]
    ends = np.cumsum(sizes).tolist()
    return {name: data[end - size : end] for name, end, size in zip(names, ends, sizes, strict=True)}


_EXPECTED: dict[str, bytes] = {}


def expected(name: str) -> bytes:
    """Output of the NumPy executor."""
    if name not in _EXPECTED:
        _EXPECTED[name] = expected_output(CASES[name], PROGRAMS[name])
    return _EXPECTED[name]


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compiled by GCC."""
    return compile_kernels(tmp_path_factory.mktemp("mve_gcc"), "gcc")


def differing(image: Path, names: Sequence[str]) -> list[str]:
    made = outputs(image, names)
    return [name for name in names if made[name] != expected(name)]


@pytest.mark.parametrize("name", ["gcc", "zig"])
def test_kernels_equal_the_executor(name: str, tmp_path: Path) -> None:
    image = link(tmp_path, list(compile_kernels(tmp_path, name).values()))
    assert differing(image, list(PROGRAMS)) == []


def test_every_kernel_has_cases() -> None:
    files = {path.name for path in (firmware_folder() / "kernels" / "mve").glob("*.[cS]")}
    assert {Path(name).name for name in kernel_files(PROGRAMS)} == files
    values = np.frombuffer(b"".join(map(expected, PROGRAMS)), np.int8)
    assert len(np.unique(values)) == 256


# One slip each: file, what is right, what is wrong.
FAULTS = {
    "last step not predicated": ("dot_tiles.S", "vldrbt.u8 q2, [r5, #L", "vldrbt.u8 q2, [r3, #L"),
    "a round too few": ("dot_tiles.S", "    bpl .Lround", "    bmi .Lround"),
    "ladder entered too late": ("dot_tiles.S", "mls r6, r5, r0, r4", "mls r6, r5, r0, r5"),
    "one step: fourth pixel": ("dot_tiles.S", "vldrbt.u8 q3, [r7]\n    cmp", "vldrbt.u8 q3, [r4]\n    cmp"),
    "next tile's outputs": ("dot_tiles.S", "vadd.i32 q5, q5, r2", "vadd.i32 q5, q5, r0"),
    "second pair's sums": ("dot_tiles.S", "PARTIAL_B, (SUMS + 32)", "PARTIAL_B, (SUMS + 28)"),
    "single pixel: steps": ("dot_pixel.S", "wls lr, r11", "adds r11, #1\n    wls lr, r11"),
    "single pixel: order of sums": ("dot_pixel.S", "q0[3], q0[1], r2, r6", "q0[3], q0[1], r6, r2"),
    "single pixel: ties": ("dot_pixel.S", "vshr.s32 q1, q0, #31", "vshr.u32 q1, q0, #31"),
    "ties": ("finish.inc", "vshr.s32 q4", "vshr.u32 q4"),
    "no window inside": ("conv_2d.c", "room < 0 ? -1 : room / stride", "room / stride"),
    "shifts of other channels": ("finish.inc", "\\shifts, \\shifts, #8", "\\shifts, \\shifts, #16"),
    "lower clamp": ("finish.inc", "vmax.s8 q6, q6, q3", "vmax.s8 q6, q6, q6"),
    "single rounding": ("finish.inc", "vqrshrnt.s32 q7, q3, #FRACTION_BITS", "vqrshrnt.s32 q7, q3, #11"),
    "runs: offsets": ("copy_runs.S", "vldrb.u8 q2, [r2, #16]", "vldrb.u8 q2, [r2]"),
    "runs: next row": ("copy_runs.S", "add r6, r6, r7", "add r6, r6, r9"),
    "patches: left border": ("conv_2d.c", "(uint8_t)-first", "(uint8_t)(1 - first)"),
    "patches: what is outside": ("conv_2d.c", "patches, conv->input_zero_point", "patches, 0"),
    "columns: third": ("dot_columns.S", "tap q2, q3, q0, q1", "tap q2, q3, q1, q0"),
    "columns: odd ones": ("dot_columns.S", "vldrb.u8 q3, [r1], #80", "vldrb.u8 q3, [r1], #96"),
    "columns: second row": ("dot_columns.S", "ldr r1, [r5, #4]", "ldr r1, [r5, #8]"),
    "columns: left border": ("conv_2d_3x3.c", "slot++;", ""),
    "columns: right border": ("conv_2d_3x3.c", "(count - 1) * which->step >=", "(count - 1) * which->step >"),
    "columns: next block": ("copy_columns.S", "add r8, r8, r10", "add r8, r8, r5"),
    "depthwise: weights' column": ("depthwise_tile.S", "vldrb.u8 q2, [r9, #3]", "vldrb.u8 q2, [r9, #4]"),
    "depthwise: second six pixels": ("depthwise_tile.S", "sub.w r1, r1, #71", "sub.w r1, r1, #72"),
    "depthwise: missing pixels": ("depthwise_tile.S", "ldr r0, [r11, #LAST]", "ldr r0, [r11, #DOT]"),
    "depthwise: few columns": ("depthwise_tile.S", "vctp.32 r2", "vctp.32 r4"),
    "depthwise: left border": ("depthwise_conv_2d.c", "left < 0 ? 0 : left", "left"),
    "depthwise: outside": ("depthwise_conv_2d.c", "inside < count", "inside > count"),
    "windows: rows in fours": ("depthwise_windows.S", "adds r6, r6, #16", "adds r6, r6, #12"),
    "windows: fourth row": ("depthwise_windows.S", "copy_row r4, 12", "copy_row r3, 12"),
    "windows: next columns": ("depthwise_windows.S", "vadd.i32 q2, q2, r12", "vadd.i32 q2, q2, r2"),
    "windows: second four pixels": ("depthwise_windows.S", "add r1, r1, r5", "add r1, r1, r11"),
    "windows: next step of four": ("depthwise_windows.S", "mov r11, #64", "mov r11, #60"),
    "windows: next channel": ("depthwise_windows.S", "adds r1, r1, #2  ", "adds r1, r1, #3  "),
    "windows: missing pixels": ("depthwise_windows.S", "vctp.32 r5", "vctp.32 r1"),
    "windows: constants": ("depthwise_windows.S", "adds r9, r9, #36", "adds r9, r9, #32"),
    "windows: shared channels": ("depthwise_windows.S", "moveq r2, r3", "addeq r2, r3, #1"),
    "windows: bytes of a row": ("depthwise_windows.S", "vidup.u32 q7, r2, #4", "vidup.u32 q7, r2, #2"),
    "windows: last channels": ("depthwise_windows.S", "subs r1, r1, #4\n    ldr", "subs r1, r1, #3\n    ldr"),
    "windows: last four channels": ("depthwise_windows.S", "subhi r3, r3, r2", "addhi r3, r3, r2"),
    "windows: word of fourth row": ("depthwise_windows.S", "copy_word r4, 12", "copy_word r3, 12"),
    "windows: first column": ("depthwise_windows.c", "(end - left + dilation - 1)", "(end - left)"),
    "windows: outside": ("depthwise_windows.c", "inside < count", "inside > count"),
    "windows: phases": ("depthwise_windows.c", "width - x + phases - 1", "width - x"),
    "connected: third row": ("fully_connected.c", "vldrb.u8 q2, [%[w2]]", "vldrb.u8 q2, [%[w1]]"),
    "connected: unshifted ties": ("fully_connected.c", "cmpltq_n_s32(shift, 0)", "cmpltq_n_s32(shift, 1)"),
    "add: clamp": ("add.c", "vmax.s32 q0, q0, %q[lowest]", "vmax.s32 q0, q0, q0"),
    "average: sign": ("average_pool_2d.c", "vcmpltq_n_s16(sums, 0)", "vcmpltq_n_s16(sums, -1)"),
    "average: half": ("average_pool_2d.c", "value, divisor.half", "value, divisor.half / 2"),
    "pools: count": ("pool.h", "taps.height * taps.columns", "window.height * taps.columns"),
    "pools: left border": ("pool.h", "(left + inside.begin)", "left"),
    "average: last channels": ("average_pool_2d.c", "vctp.16 %[left]", "vctp.16 %[columns]"),
    "maximum: clamp": ("max_pool_2d.c", "vmin.s8 %q[value], %q[value], q1", "vmax.s8 q1, q1, q1"),
    "maximum: last channels": ("max_pool_2d.c", "vctp.8 %[left]", "vctp.8 %[channels]"),
    "accumulate: eighth channel": ("accumulate.c", "[%[first], #4]", "[%[first], #3]"),
    "accumulate: starts anew": ("accumulate.c", "before != NULL", "before == NULL"),
    "three pixels left": ("tile.h", "if (i + 1 < pixels)", "if (i + 2 < pixels)"),
}  # fmt: skip


# A fault in a header is planted into one kernel that includes it.
KERNEL_OF_HEADER = {"tile.h": "conv_2d_1x1.c", "finish.inc": "dot_tiles.S", "pool.h": "average_pool_2d.c"}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_noticed(fault: str, tmp_path: Path, objects: dict[str, Path]) -> None:
    file_name, right, wrong = FAULTS[fault]
    shutil.copytree(firmware_folder() / "kernels", tmp_path / "kernels")
    folder = tmp_path / "kernels" / "mve"
    text = (folder / file_name).read_text()
    assert right in text
    (folder / file_name).write_text(text.replace(right, wrong))
    kernel = KERNEL_OF_HEADER.get(file_name, file_name)
    faulty = {kernel: compile_kernel(tmp_path, "gcc", folder / kernel)}
    concerned = [name for name in PROGRAMS if kernel in _file_names(name)]
    assert differing(link(tmp_path, list((objects | faulty).values())), concerned) != []


def _file_names(name: str) -> set[str]:
    return {Path(source).name for source in kernel_files({name: PROGRAMS[name]})}


QUOTIENTS = """
#include "%s"

int main(void) {
    for (uint32_t count = 1; count <= 256; count++) {
        const ek_mve_divisor divisor = ek_mve_divisor_of(count);
        for (uint32_t x = 0; x <= 128 * count; x++) {
            const uint32_t sum = x + divisor.half;
            const uint32_t found = sum * divisor.factor >> 16 >> divisor.shift;
            if (sum > UINT16_MAX || found != (2 * x + count) / (2 * count)) {
                return 1;
            }
        }
    }
    return 0;
}
"""


def test_quotients_of_all_sums_are_right(tmp_path: Path) -> None:
    source = tmp_path / "quotients.c"
    source.write_text(QUOTIENTS % (firmware_folder() / "kernels" / "mve" / "quotient.h"))
    run([str(compile_program(tmp_path / "quotients", [source]))])


ADDITIONS = [case for case in CASES.values() if isinstance(case.graph.ops[0], Add)]


def test_most_additions_have_constants() -> None:
    found = [add_constants(op) for case in ADDITIONS for op in case.graph.ops if isinstance(op, Add)]
    assert len([constants for constants in found if constants is not None]) >= len(found) / 3


@pytest.mark.parametrize("case", ADDITIONS, ids=lambda case: case.name)
def test_constants_of_an_addition_are_right_for_all_pairs(case: Case) -> None:
    (op,) = case.graph.ops
    assert isinstance(op, Add)
    constants = add_constants(op)
    if constants is None:
        pytest.skip("the addition has none")
    first, second, offset, shift = constants
    a, b = (values.astype(np.int64) for values in case.inputs)
    total = a * first + b * second + offset
    assert np.abs(total).max() < 2**31
    computed = np.clip(total >> shift, op.activation_min, op.activation_max)
    assert np.array_equal(computed, execute(case.graph, case.inputs)[0])
