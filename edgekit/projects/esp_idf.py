"""Projects for ESP-IDF: one component ``main`` with all sources, settings and partitions that fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.boards import Board, EngineName
from edgekit.codegen.picture import reads_pixels
from edgekit.costs.fit import HARNESS_RAM_BYTES
from edgekit.errors import DoesNotFitError, UnknownNameError, UsageError
from edgekit.firmware_project import EngineFiles, Project, Recipe
from edgekit.projects import sdk_sources
from edgekit.projects.esp_camera import camera_example

if TYPE_CHECKING:
    from edgekit.graph.ir import Graph

IDF_VERSIONS = ">=5.3,<7.0"
"""The oldest has the drivers as components of their own; 5.3, 5.5 and 6.0 know every setting made here."""

COMPONENTS: Mapping[str, str] = {"espressif/esp-tflite-micro": "==1.4.0", "espressif/esp-nn": "==1.4.2"}
"""What the tflm engine takes from Espressif's registry. esp-nn is pinned as well, because its kernels
decide the result: asymmetric SAME padding, unaligned fully connected inputs and the depthwise scratch
size on ESP32-S3 were mended between 1.2.4 and 1.4.0 (espressif/esp-nn, issues 30, 31 and 34)."""

USB_SERIAL_JTAG = "USB_SERIAL_JTAG"
"""``serial.uart`` of boards whose link is the chip's own USB Serial/JTAG controller."""

MAIN = "main/"
LINK_STACK_BYTES = 8192
_REST_STACK_BYTES = 2048
# Rings and buffers of the port (firmware/port/esp_idf/port.c).
_PORT_BYTES = 2048

# ESP-IDF Programming Guide, API Guides, "Partition Tables": the table lies at 0x8000, applications at
# multiples of 0x10000; flash is laid out in sectors of 0x1000.
_FIRST_OFFSET = 0x9000
_APP_ALIGNMENT = 0x10000
_NVS_BYTES = 0x6000
_PHY_BYTES = 0x1000
# The IDF Size page of the guide shows 179,712 bytes for a small program; kernels, link and TFLite Micro
# come on top.
_CODE_ROOM_BYTES = 512 << 10
_SMALLEST_APP_BYTES = 1 << 20
_FLASH_MEGABYTES = (2, 4, 8, 16, 32, 64, 128)
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Target:
    """A chip as ESP-IDF knows it (IDF_TARGET).

    ``static_ram_bytes`` is the linker script's region for data (components/esp_system/ld, version 5.5),
    ``sdk_ram_bytes`` an estimate of what ESP-IDF itself takes of it. PSRAM of ``octal_psram_bytes`` and
    more is octal; None where it never is.
    """

    name: str
    static_ram_bytes: int
    sdk_ram_bytes: int
    clocks_mhz: tuple[int, ...]
    has_usb_serial_jtag: bool = False
    takes_psram: bool = True
    octal_psram_bytes: int | None = None


# 11,236 bytes of data and 51,835 of code in RAM, says the guide's page on IDF Size of a small program;
# on ESP32-S3 and ESP32-C3 both lie in the same memory.
TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("esp32", 180_736, 16_384, (80, 160, 240)),
        Target(
            "esp32s3", 341_760, 73_728, (80, 160, 240), has_usb_serial_jtag=True, octal_psram_bytes=8 << 20
        ),
        Target("esp32c3", 321_296, 73_728, (80, 160), has_usb_serial_jtag=True, takes_psram=False),
    )
}


@dataclass(frozen=True)
class Partition:
    """A line of ``partitions.csv``; offset and size in bytes."""

    name: str
    type: str
    subtype: str
    offset: int
    size_bytes: int


def assemble(
    board: Board,
    graph: Graph,
    model: bytes,
    files: EngineFiles,
    engine: EngineName,
) -> Project:
    """The complete project of ``graph`` for ``board``; arguments as in the bare-metal assembler.

    Raises DoesNotFitError where flash has no room for the application's partition, or RAM for the arena,
    and UsageError for a profile that ESP-IDF cannot serve.
    """
    target = _target(board, engine)
    arena_in_psram = _arena_in_psram(board, target, files.arena_bytes)
    firmware = sdk_sources.sdk_firmware(board, model, files, ("esp_idf",), own_main=True)
    values = {
        **sdk_sources.facts(board, graph, model, engine),
        "root": MAIN,
        "port": "/dev/ttyACM0" if _link_is_usb(board) else "/dev/ttyUSB0",
        "sources": firmware.sources,
        "include_folders": firmware.include_folders,
        "idf_versions": IDF_VERSIONS,
        "components": COMPONENTS if engine == "tflm" else {},
        "partitions": partitions(board, files.constant_bytes),
        "flash_megabytes": _flash_megabytes(board),
        "link_is_usb": _link_is_usb(board),
        "baud": board.serial.baud if board.serial is not None else 115200,
        "link_stack_bytes": LINK_STACK_BYTES,
        "clock_mhz": _clock_mhz(board, target),
        "has_usb_serial_jtag": target.has_usb_serial_jtag,
        "arena_bytes": files.arena_bytes,
        "arena_in_psram": arena_in_psram,
        "psram_mode": _psram_mode(board, target),
        "psram_has_modes": target.octal_psram_bytes is not None,
        # A camera's frames need PSRAM.
        "camera": reads_pixels(graph) and board.mcu.psram_bytes is not None,
    }
    documents = {
        name: sdk_sources.render(f"esp_idf/{template}.j2", values)
        for name, template in _templates(target, engine).items()
    }
    example = camera_example(values, firmware.sources) if values["camera"] else {}
    contents = {
        **{f"{MAIN}{name}": content for name, content in firmware.files.items()},
        **documents,
        **example,
    }
    return Project(
        name=f"{graph.name}-{board.name}",
        files=dict(sorted(contents.items())),
        recipe=Recipe(
            sources=tuple(f"{MAIN}{source}" for source in firmware.sources),
            include_folders=tuple(f"{MAIN}{folder}" for folder in firmware.include_folders),
        ),
    )


def partitions(board: Board, constant_bytes: int) -> tuple[Partition, ...]:
    """The partition table of an application with that many bytes of constants.

    The application gets room for code and is aligned as ESP-IDF asks; what lies behind it is free. Raises
    DoesNotFitError where the board's flash ends before it does.
    """
    flash_bytes = board.mcu.flash_bytes or 0
    factory_bytes = max(_SMALLEST_APP_BYTES, _aligned(constant_bytes + _CODE_ROOM_BYTES))
    table = (
        Partition("nvs", "data", "nvs", _FIRST_OFFSET, _NVS_BYTES),
        Partition("phy_init", "data", "phy", _FIRST_OFFSET + _NVS_BYTES, _PHY_BYTES),
        Partition("factory", "app", "factory", _APP_ALIGNMENT, factory_bytes),
    )
    end = table[-1].offset + factory_bytes
    if end > flash_bytes:
        raise DoesNotFitError(
            board.name,
            "flash",
            end,
            flash_bytes,
            f"The application needs a partition of {factory_bytes:,} bytes. Choose a smaller model or a "
            "board with more flash.",
        )
    return table


def internal_arena_bytes(target: Target) -> int:
    """The largest arena that internal RAM holds beside ESP-IDF, the link and its tasks."""
    tasks_bytes = LINK_STACK_BYTES + _REST_STACK_BYTES
    return target.static_ram_bytes - target.sdk_ram_bytes - tasks_bytes - _PORT_BYTES - HARNESS_RAM_BYTES


def _target(board: Board, engine: EngineName) -> Target:
    name = board.engines[engine].target
    if name not in TARGETS:
        raise UnknownNameError("ESP-IDF target", name, TARGETS, f"(engines.{engine} of {board.name})")
    return TARGETS[name]


def _arena_in_psram(board: Board, target: Target, arena_bytes: int) -> bool:
    """Whether the arena lies in PSRAM: only where internal RAM, which is faster, is too small for it."""
    available_bytes = internal_arena_bytes(target)
    if arena_bytes <= available_bytes:
        return False
    psram_bytes = board.mcu.psram_bytes or 0
    if arena_bytes <= psram_bytes:
        return True
    raise DoesNotFitError(
        board.name,
        "RAM",
        arena_bytes,
        max(available_bytes, psram_bytes),
        "That is what ESP-IDF leaves for the arena. Choose a smaller model or a board with PSRAM.",
    )


def _psram_mode(board: Board, target: Target) -> str | None:
    """``oct`` or ``quad``, None where the board has no PSRAM. Raises UsageError where the chip takes none."""
    if board.mcu.psram_bytes is None:
        return None
    if not target.takes_psram:
        raise UsageError(
            f"the profile of {board.name} has mcu.psram_bytes, but {target.name} takes none. Leave it out."
        )
    limit_bytes = target.octal_psram_bytes
    return "oct" if limit_bytes is not None and board.mcu.psram_bytes >= limit_bytes else "quad"


def _clock_mhz(board: Board, target: Target) -> int:
    clock_mhz = board.mcu.clock_hz // 1_000_000
    if board.mcu.clock_hz % 1_000_000 or clock_mhz not in target.clocks_mhz:
        choices = ", ".join(f"{clock}_000_000" for clock in target.clocks_mhz)
        raise UsageError(
            f"the profile of {board.name} has mcu.clock_hz {board.mcu.clock_hz:,}; {target.name} runs at one "
            f"of {choices}."
        )
    return clock_mhz


def _flash_megabytes(board: Board) -> int:
    flash_bytes = board.mcu.flash_bytes or 0
    if flash_bytes % _MEGABYTE or flash_bytes // _MEGABYTE not in _FLASH_MEGABYTES:
        sizes = ", ".join(str(size) for size in _FLASH_MEGABYTES)
        raise UsageError(
            f"the profile of {board.name} has mcu.flash_bytes {flash_bytes:,}; ESP-IDF knows flash of "
            f"{sizes} MiB."
        )
    return flash_bytes // _MEGABYTE


def _link_is_usb(board: Board) -> bool:
    return board.serial is not None and board.serial.uart == USB_SERIAL_JTAG


def _templates(target: Target, engine: EngineName) -> dict[str, str]:
    """Names in the project, and the templates that they are made from."""
    names = {
        name: name
        for name in ("CMakeLists.txt", "README.md", "partitions.csv", "sdkconfig.defaults", ".gitignore")
    }
    names[f"sdkconfig.defaults.{target.name}"] = "sdkconfig.defaults.target"
    if engine == "tflm":
        names["sdkconfig.ansi_c"] = "sdkconfig.ansi_c"
    for name in ("CMakeLists.txt", "Kconfig.projbuild", "idf_component.yml"):
        names[f"{MAIN}{name}"] = f"main/{name}"
    return names


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _APP_ALIGNMENT) * _APP_ALIGNMENT
