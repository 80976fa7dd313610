"""Runs the driver as a Cortex-M0 would: an access to memory that is not aligned to its size ends the program.

Armv6-M code runs on QEMU's Cortex-M3, which is told to trap what is not aligned (CCR.UNALIGN_TRP): emulated
cores of Linux forgive it, and QEMU's board with a Cortex-M0 has no room for the cases.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from kernels.compiling import INCLUDE, WARNINGS, run

HERE = Path(__file__).parent
_GCC = ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-std=c11", "-Os")
_TRAP = "-DTRAP_UNALIGNED"
_TIMEOUT_S = 120


def compile_strict(folder: Path, kernels: Sequence[Path]) -> Path:
    """The driver with ``kernels`` as an image; kernel_table.h lies in ``folder``. Skips the test where the
    compiler or the emulator is missing.
    """
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    allocation = ("-Dmain=driver_main", "-Dmalloc=guarded_malloc", "-Dfree=guarded_free")
    driver, image = folder / "driver.o", folder / "driver.elf"
    common = (*_GCC, f"-I{INCLUDE}", f"-I{folder}")
    run([*common, *allocation, "-c", str(HERE / "driver.c"), "-o", str(driver)])
    objects = [driver]
    for source in kernels:
        objects.append(folder / f"{source.name}.o")
        run([*common, *WARNINGS, "-c", str(source), "-o", str(objects[-1])])
    run(
        [
            *(
                *common,
                _TRAP,
                "--specs=rdimon.specs",
                "-Wl,--no-warn-execstack",
                "-Wl,--no-warn-rwx-segments",
            ),
            *(str(HERE / "semihosting.c"), *map(str, objects)),
            *("-T", str(HERE / "mps2_an385.ld"), "-o", str(image)),
        ]
    )
    return image


def run_strict(image: Path, cases: bytes) -> bytes:
    """What the driver writes when it reads ``cases``. Raises AssertionError where it ended early."""
    (image.parent / "cases.bin").write_bytes(cases)
    command = [
        "qemu-system-arm",
        "-M",
        "mps2-an385",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "none",
    ]
    command += ["-semihosting", "-kernel", str(image)]
    done = subprocess.run(command, cwd=image.parent, capture_output=True, check=False, timeout=_TIMEOUT_S)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return (image.parent / "outputs.bin").read_bytes()
