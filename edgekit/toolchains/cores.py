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


_ARM_GCC = "arm-none-eabi-gcc"

CORES: dict[str, Core] = {
    core.name: core
    for core in (
        # The baseline processor, not this computer's: the image must not depend on who builds it.
        Core("native", "native", "baseline", "cc"),
        Core(
            "cortex-m4f",
            "thumb-freestanding-eabihf",
            "cortex_m4",
            _ARM_GCC,
            ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        ),
        Core("cortex-a72", "aarch64-linux-musl", "cortex_a72", None),
    )
}
