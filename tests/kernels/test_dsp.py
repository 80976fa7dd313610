"""The kernels for DSP instructions, compiled for 32-bit Linux and run by QEMU, against the NumPy executor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from kernels.cases import all_cases, vector_cases
from kernels.compiling import INCLUDE, WARNINGS, run
from kernels.running import (
    driver_input,
    expected_output,
    kernel_files,
    kernel_functions,
    write_kernel_table,
)

from edgekit.codegen.layers import Program, lower
from edgekit.resources import firmware_folder

CASES = {case.name: case for case in (*all_cases(), *vector_cases())}
DRIVER = Path(__file__).with_name("driver.c")
TIMEOUT_S = 120


def dsp_programs() -> dict[str, Program]:
    """Those cases that kernels with DSP instructions run, as layers."""
    programs = {name: lower(case.graph, frozenset({"dsp"})) for name, case in CASES.items()}
    return {name: program for name, program in programs.items() if _is_dsp(program)}


def _is_dsp(program: Program) -> bool:
    return all(source.startswith("kernels/dsp/") for source in kernel_files({"": program}))


PROGRAMS = dsp_programs()


def compile_driver(folder: Path, firmware: Path) -> Path:
    """The driver, with the kernels of the folder ``firmware``. The Cortex-A7 has the DSP instructions, too."""
    if find_spec("ziglang") is None:
        pytest.skip("zig, which compiles for 32-bit Linux, is not installed")
    if shutil.which("qemu-arm") is None:
        pytest.skip("qemu-arm, which runs the kernels, is not installed")
    write_kernel_table(folder, kernel_functions(PROGRAMS), ["edgekit/ek_kernels_dsp.h"])
    program = folder / "driver"
    sources = [firmware / source for source in kernel_files(PROGRAMS)]
    run(
        [
            *(sys.executable, "-m", "ziglang", "cc", "-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"),
            *("-mthumb", "-static", "-std=c11", "-Os", *WARNINGS, f"-I{INCLUDE}", f"-I{folder}"),
            *(str(DRIVER), *map(str, sources), "-o", str(program)),
        ]
    )
    return program


def run_driver(program: Path, names: Sequence[str]) -> bytes:
    cases = {name: CASES[name] for name in names}
    data = driver_input(cases, PROGRAMS, kernel_functions(PROGRAMS), pointer_bytes=4)
    command = ["qemu-arm", "-cpu", "cortex-a7", str(program)]
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


@pytest.fixture(scope="session")
def expected() -> dict[str, bytes]:
    """Output of the NumPy executor for each case."""
    return {name: expected_output(CASES[name], program) for name, program in PROGRAMS.items()}


def differing(outputs: bytes, names: Sequence[str], expected: dict[str, bytes]) -> list[str]:
    """The cases whose outputs are not the expected ones."""
    ends = np.cumsum([len(expected[name]) for name in names]).tolist()
    starts = [0, *ends[:-1]]
    return [
        name
        for name, start, end in zip(names, starts, ends, strict=True)
        if outputs[start:end] != expected[name]
    ]


def test_kernels_equal_the_executor(tmp_path: Path, expected: dict[str, bytes]) -> None:
    driver = compile_driver(tmp_path, firmware_folder())
    names = list(PROGRAMS)
    outputs = run_driver(driver, names)
    assert differing(outputs, names, expected) == []
    assert len(outputs) == sum(len(expected[name]) for name in names)
