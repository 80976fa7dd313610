"""Compiler and linker flags, in one place: the build and the Makefile of every project use the same.

Nothing here depends on where or when a project is compiled, so that its image does not either.
"""

from __future__ import annotations

from typing import Literal

from edgekit.boards import ToolchainName
from edgekit.toolchains.cores import Core

Optimize = Literal["ram", "speed", "size"]
"""What a build strives for: the smallest arena, the fewest instructions, or the smallest image. The engine
aot plans and chooses kernels by it (``edgekit.engines``); compilers know size and speed.
"""

OPTIMIZE_CHOICES: tuple[Optimize, ...] = ("ram", "speed", "size")
DEFAULT_OPTIMIZE: Optimize = "ram"

TIMED_SOURCES = ("kernels/", "port/freestanding/string.c")
"""How the paths begin of a project's sources in which inferences spend their time."""

Level = Literal["speed", "size", "smallest"]
"""What the compiler strives for in one source: few instructions, few bytes, or the fewest at any price."""

_LEVELS: dict[ToolchainName, dict[Level, tuple[str, ...]]] = {
    "gcc": {"speed": ("-O2",), "size": ("-Os",), "smallest": ("-Os",)},
    # Zig itself takes -Oz for -Os.
    "zig": {"speed": ("-O2",), "size": ("-Os",), "smallest": ("-Os", "-Xclang", "-Oz")},
}
_C = ("-std=c11", "-Wall", "-Wextra")
_CXX = ("-std=c++17", "-Wall", "-Wextra", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
# Debug information holds absolute paths; frame pointers cost zig's kernels a register.
_CODE = (
    "-g0",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)


def machine_flags(toolchain: ToolchainName, core: Core, *, linking: bool = False) -> tuple[str, ...]:
    """The flags that choose the processor, for compiling and for ``linking``."""
    if toolchain == "gcc":
        return core.gcc_flags
    if linking:
        return ("-target", str(core.zig_target), f"-mcpu={core.zig_library_cpu or core.zig_cpu}")
    return ("-target", str(core.zig_target), f"-mcpu={core.zig_cpu}", *core.zig_flags)


def source_level(source: str, optimize: Optimize) -> Level:
    """How ``source`` of a project is compiled."""
    if not source.startswith(TIMED_SOURCES):
        return "smallest"
    return "speed" if optimize == "speed" else "size"


def compile_flags(
    toolchain: ToolchainName, core: Core, level: Level, *, freestanding: bool, cxx: bool = False
) -> tuple[str, ...]:
    """The flags for compiling one source of C, or of C++ if ``cxx``, without include folders and defines.

    C++ is never freestanding: its library then lacks what TFLite Micro's headers include.
    """
    environment = ("-ffreestanding",) if freestanding and not cxx else ()
    language = _CXX if cxx else _C
    return (*machine_flags(toolchain, core), *language, *level_flags(toolchain, level), *_CODE, *environment)


def level_flags(toolchain: ToolchainName, level: Level) -> tuple[str, ...]:
    """The flags that say what to strive for."""
    return _LEVELS[toolchain][level]


def link_flags(
    toolchain: ToolchainName,
    core: Core,
    optimize: Optimize,
    linker_script: str | None,
    *,
    cxx: bool = False,
) -> tuple[str, ...]:
    """The flags for linking, before the objects. Zig compiles its runtime library with them, too.

    With C++ in a bare-metal image (``cxx``), firmware/port/newlib runs static constructors before main.

    A program of an operating system is stripped: the debug information of zig's C library holds the
    path of the folder that it was first built in. Bare metal keeps its symbols, for sizes and faults.
    """
    # Zig strips every symbol from an image that is linked for size, and faults could not be named.
    level = level_flags(toolchain, "speed" if toolchain == "zig" or optimize == "speed" else "size")
    common = (
        *machine_flags(toolchain, core, linking=True),
        *level,
        "-g0",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
    )
    if linker_script is None:
        is_static = core.zig_target is not None and core.zig_target.endswith("-musl")
        return (*common, "-Wl,--strip-all", *(("-static",) if is_static else ()))
    freestanding = (
        f"-Wl,-T,{linker_script}",
        "-Wl,--entry=Reset_Handler",
        "-Wl,-z,max-page-size=4",
        *(("-Wl,--wrap=main",) if cxx else ()),
    )
    return (*common, *freestanding, *(("-nostdlib",) if toolchain == "gcc" else ()))


def library_flags(
    toolchain: ToolchainName, linker_script: str | None, tflm_archive: str | None = None
) -> tuple[str, ...]:
    """The flags after the objects. Zig links its own runtime library without being asked.

    ``tflm_archive`` is a TFLite Micro, to be linked with GCC's libraries.
    """
    if tflm_archive is not None and linker_script is None:
        return (tflm_archive, "-lstdc++", "-lm")
    if tflm_archive is not None:
        return ("-Wl,--start-group", tflm_archive, "-lm", "-lc_nano", "-lgcc", "-Wl,--end-group")
    return ("-lgcc",) if toolchain == "gcc" and linker_script is not None else ()


def image_name(linker_script: str | None) -> str:
    """The image's file name: an ELF file for bare metal, a program elsewhere."""
    return "firmware" if linker_script is None else "firmware.elf"
