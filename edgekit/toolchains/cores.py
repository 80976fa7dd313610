"""Processor cores: the flags that each toolchain needs for them, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CoreFeature = Literal[
    "armv6", "armv6m", "armv7m", "dsp", "mve", "aarch64", "neon", "dotprod", "rv32", "xtensa"
]
"""What a core's kernels may rely on, as the compiler flags here switch it on.

``armv6``: 32-bit Armv6, which has no Advanced SIMD.
``armv6m``: Armv6-M, that is Thumb-1 with MULS, without division, IT blocks and unaligned accesses.
``armv7m``: Armv7-M without the DSP extension: Thumb-2 with MLA.
``dsp``: the 32-bit SIMD instructions of Armv7E-M and of Armv8-M with the DSP extension (SMLAD, SXTB16).
``mve``: Helium, the vectors of Armv8.1-M. ``neon``: Advanced SIMD, that of AArch64 where ``aarch64`` is
there too, else of AArch32. ``dotprod``: SDOT and UDOT. ``rv32``: 32-bit RISC-V with M and C.
``xtensa``: little-endian Xtensa with MULL.
"""


@dataclass(frozen=True)
class Core:
    """A processor core. ``zig_target``/``zig_cpu`` go to ``zig cc``; ``gcc`` is the compiler's command,
    ``gcc_flags`` its machine flags. None means that the toolchain has no such target here.

    ``startup`` is the folder of ``firmware/port/`` with start-up code of the architecture, None where an
    operating system starts programs. ``qemu_cpu`` is QEMU's name of the core for its user-mode programs:
    an instruction that the core does not have ends a program there, too. ``zig_library_cpu`` is what zig
    compiles its C library for where that is not ``zig_cpu``: cores that share it do not each wait a minute.
    ``zig_flags`` are more of zig's machine flags for compiling.
    """

    name: str
    zig_target: str | None
    zig_cpu: str | None
    gcc: str | None
    gcc_flags: tuple[str, ...] = ()
    startup: str | None = None
    features: frozenset[CoreFeature] = frozenset()
    qemu_cpu: str | None = None
    zig_library_cpu: str | None = None
    zig_flags: tuple[str, ...] = ()


def _cortex_m(
    name: str, zig_cpu: str, gcc_flags: tuple[str, ...], *features: CoreFeature, has_fpu: bool = False
) -> Core:
    """A Cortex-M core; floating-point arguments travel in registers where there is an FPU."""
    abi = "eabihf" if has_fpu else "eabi"
    float_abi = "hard" if has_fpu else "soft"
    return Core(
        name,
        f"thumb-freestanding-{abi}",
        zig_cpu,
        "arm-none-eabi-gcc",
        ("-mthumb", f"-mfloat-abi={float_abi}", *gcc_flags),
        "cortex_m",
        frozenset(features),
    )


def _linux(
    name: str,
    zig_target: str,
    zig_cpu: str,
    qemu_cpu: str,
    *features: CoreFeature,
    library_cpu: str | None = None,
) -> Core:
    """A core that runs Linux. Its programs are static, so they need nothing of the board's system."""
    return Core(
        name,
        zig_target,
        zig_cpu,
        None,
        features=frozenset(features),
        qemu_cpu=qemu_cpu,
        zig_library_cpu=library_cpu,
    )


def _aarch64(name: str, zig_cpu: str, *features: CoreFeature) -> Core:
    """A 64-bit Arm core; the C library is for all of them."""
    return _linux(
        name, "aarch64-linux-musl", zig_cpu, name, "aarch64", "neon", *features, library_cpu="baseline"
    )


_ARMHF = "arm-linux-musleabihf"
_ARMV6 = "arm1176jzf_s"

CORES: dict[str, Core] = {
    core.name: core
    for core in (
        # The baseline processor, not this computer's: the image must not depend on who builds it.
        Core("native", "native", "baseline", "cc"),
        _cortex_m("cortex-m0", "cortex_m0", ("-mcpu=cortex-m0",), "armv6m"),
        _cortex_m("cortex-m0plus", "cortex_m0plus", ("-mcpu=cortex-m0plus",), "armv6m"),
        _cortex_m("cortex-m3", "cortex_m3", ("-mcpu=cortex-m3",), "armv7m"),
        _cortex_m("cortex-m4", "cortex_m4", ("-mcpu=cortex-m4",), "dsp"),
        _cortex_m("cortex-m4f", "cortex_m4", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"), "dsp", has_fpu=True),
        _cortex_m(
            "cortex-m7f",
            "cortex_m7+fp_armv8d16sp",
            ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"),
            "dsp",
            has_fpu=True,
        ),
        # Without "+dsp" zig silently leaves the SIMD instructions out, without "+mve" the vectors.
        _cortex_m(
            "cortex-m33f", "cortex_m33+dsp", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"), "dsp", has_fpu=True
        ),
        _cortex_m(
            "cortex-m55",
            "cortex_m55+mve+mve_fp+dsp",
            ("-mcpu=cortex-m55", "-mfpu=auto"),
            "dsp",
            "mve",
            has_fpu=True,
        ),
        Core(
            "rv32imc",
            "riscv32-freestanding-none",
            "generic_rv32+m+c+zicsr",
            "riscv64-unknown-elf-gcc",
            # In version 2.2 of the ISA's names "i" has the CSR instructions; there is no libgcc for "zicsr".
            # Small variables lie among the others: where a model's own lie does not depend on their size.
            ("-march=rv32imc", "-misa-spec=2.2", "-mabi=ilp32", "-msmall-data-limit=0"),
            "riscv",
            frozenset({"rv32"}),
            # Variables of a file become one, by default up to 2,047 bytes, and an arena may be among them:
            # where variables lie would depend on its size. The link is larger than this.
            zig_flags=("-mllvm", "-global-merge-max-offset=512"),
        ),
        # AVRs with more than 128 KB of flash: compiled by Arduino only.
        Core("avr6", None, None, None),
        # ESP32, and ESP32-S3: compiled by their SDKs only.
        Core("xtensa-lx6", None, None, None, features=frozenset({"xtensa"})),
        Core("xtensa-lx7", None, None, None, features=frozenset({"xtensa"})),
        _aarch64("cortex-a53", "cortex_a53"),
        _aarch64("cortex-a72", "cortex_a72"),
        _aarch64("cortex-a76", "cortex_a76", "dotprod"),
        # 32-bit systems. What is compiled for the Cortex-A7 runs on the 64-bit cores' 32-bit state, too.
        _linux("cortex-a7", _ARMHF, "cortex_a7", "cortex-a7", "neon", library_cpu=_ARMV6),
        _linux("arm1176", _ARMHF, _ARMV6, "arm1176", "armv6"),
    )
}
