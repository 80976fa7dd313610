"""Processor cores and the flags that each toolchain needs for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A processor core. ``zig_target``/``zig_cpu`` go to ``zig cc``; ``gcc`` is the compiler's command,
    ``gcc_flags`` its machine flags. None means that the toolchain has no such target here.
    """

    name: str
    zig_target: str | None
    zig_cpu: str | None
    gcc: str | None
    gcc_flags: tuple[str, ...] = ()


def _cortex_m(name: str, zig_cpu: str, gcc_flags: tuple[str, ...], *, has_fpu: bool = False) -> Core:
    """A Cortex-M core; floating-point arguments travel in registers where there is an FPU."""
    abi = "eabihf" if has_fpu else "eabi"
    float_abi = "hard" if has_fpu else "soft"
    return Core(
        name,
        f"thumb-freestanding-{abi}",
        zig_cpu,
        "arm-none-eabi-gcc",
        ("-mthumb", f"-mfloat-abi={float_abi}", *gcc_flags),
    )


CORES: dict[str, Core] = {
    core.name: core
    for core in (
        # The baseline processor, not this computer's: the image must not depend on who builds it.
        Core("native", "native", "baseline", "cc"),
        _cortex_m("cortex-m0plus", "cortex_m0plus", ("-mcpu=cortex-m0plus",)),
        _cortex_m("cortex-m3", "cortex_m3", ("-mcpu=cortex-m3",)),
        _cortex_m("cortex-m4", "cortex_m4", ("-mcpu=cortex-m4",)),
        _cortex_m("cortex-m4f", "cortex_m4", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"), has_fpu=True),
        _cortex_m(
            "cortex-m7f", "cortex_m7+fp_armv8d16sp", ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"), has_fpu=True
        ),
        # Without "+dsp" zig silently leaves the SIMD instructions out.
        _cortex_m("cortex-m33f", "cortex_m33+dsp", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"), has_fpu=True),
        Core("cortex-a72", "aarch64-linux-musl", "cortex_a72", None),
    )
}
