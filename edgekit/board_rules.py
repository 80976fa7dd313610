"""What a board profile must fulfil beyond its keys and types, so that nothing later stumbles over it.

A profile may come from anybody. Its words name folders, firmware and programs, and its numbers reach
linkers and emulators: each is checked here, once, before anything is built or started.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edgekit.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from edgekit.boards import Board, Emulator

MODEL_FOLDER = "model"
"""The folder beside the boards' folders in ``out/``; no board can bear its name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME_MEANING = "letters, digits, '.', '_' and '-', the first a letter or digit"
# STM32's PA2, nRF's P0.06, RP2040's GP0, ESP32's GPIO21.
_PIN = re.compile(
    r"P(?P<letter>[A-K])(?P<of_letter>\d{1,2})|P(?P<port>\d)\.(?P<of_port>\d{2})|GP(IO)?(?P<only>\d{1,2})"
)
_UART = re.compile(r"[A-Z][A-Z0-9_]*")
# A board of Arduino (package:architecture:board:option=value) or of Zephyr (board/qualifiers).
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:[:/][A-Za-z0-9][A-Za-z0-9._=,-]*)*")
_QEMU_USER = re.compile(r"qemu-[a-z0-9_]+")
_SIMAVR = re.compile(r"at[a-z0-9]+")
# Above lies the processor's own system space (Armv7-M Architecture Reference Manual, DDI 0403E, B3.1).
_SYSTEM_SPACE = 0xE000_0000
# The vector table lies at the start of flash; VTOR has no bits below 2^7 (DDI 0403E, B3.2.5). The stack
# lies at the start of RAM and must be aligned to 8 bytes (AAPCS32, 6.2.1.2).
_FLASH_ALIGNMENT_BYTES = 128
_RAM_ALIGNMENT_BYTES = 8
# What Unicorn maps comes in whole pages, and is memory of this process.
_PAGE_BYTES = 0x1000
_EMULATED_LIMIT_BYTES = 256 << 20


def check_board(board: Board, path: Path) -> None:
    """Raises UsageError naming the profile ``path``, the key, and what it must be."""

    def refuse(problem: str) -> NoReturn:
        raise UsageError(f"the board profile {path} {problem}")

    _check_names(board, path, refuse)
    _check_engines(board, refuse)
    _check_wiring(board, refuse)
    if any(engine.framework == "baremetal" for engine in board.engines.values()):
        _check_bare_metal(board, refuse)
    if board.emulator is not None:
        _check_emulator(board, board.emulator, refuse)


_Refuse = Callable[[str], NoReturn]


def _check_names(board: Board, path: Path, refuse: _Refuse) -> None:
    from edgekit.toolchains.cores import CORES

    if board.name != path.stem:
        refuse(f"names itself '{board.name}': name and file must agree.")
    if not _NAME.fullmatch(board.name):
        refuse(
            f"has the name '{board.name}': a name is made of {_NAME_MEANING}, because folders and firmware "
            "bear it."
        )
    if board.name.casefold() == MODEL_FOLDER:
        refuse(
            f"has the name '{board.name}', which is that of the folder of the model's own artefacts. "
            "Choose another."
        )
    if board.mcu.core not in CORES:
        raise UnknownNameError("core", board.mcu.core, sorted(CORES), f"(mcu.core in {path})")


def _check_engines(board: Board, refuse: _Refuse) -> None:
    if board.default_engine not in board.engines:
        refuse(f"has default_engine '{board.default_engine}' but no [engines.{board.default_engine}].")
    for name, engine in board.engines.items():
        if not engine.toolchains:
            refuse(f"lists no toolchain in engines.{name}.toolchains: name one, such as 'zig'.")
        if engine.framework in {"arduino", "zephyr"}:
            if not _QUALIFIED_NAME.fullmatch(engine.target):
                refuse(
                    f"has engines.{name}.target {engine.target!r}: under {engine.framework} that is "
                    "names with ':' or '/' between them, such as arduino:mbed_nano:nano33ble or "
                    "nrf52840dk/nrf52840."
                )
        elif not _NAME.fullmatch(engine.target):
            refuse(f"has engines.{name}.target {engine.target!r}: a port's name is made of {_NAME_MEANING}.")


def pin_numbers(pin: str) -> tuple[int, int]:
    """Port and place of a pin: (2, 10) for PC10, (1, 8) for P1.08, (0, 21) for GP21 and GPIO21.

    Raises UsageError for anything else.
    """
    match = _PIN.fullmatch(pin)
    if match is None:
        raise UsageError(f"'{pin}' is not a pin: write it as PA2, P0.06, GP0 or GPIO21.")
    if match["letter"]:
        return ord(match["letter"]) - ord("A"), int(match["of_letter"])
    return int(match["port"] or 0), int(match["of_port"] or match["only"])


def _check_wiring(board: Board, refuse: _Refuse) -> None:
    """Oscillator and serial port, which become names and numbers in C."""
    mcu, serial = board.mcu, board.serial
    if (mcu.oscillator == "internal") != (mcu.oscillator_hz == 0):
        refuse("needs mcu.oscillator_hz with an oscillator that is a crystal or a signal, and only there.")
    if serial is None:
        return
    if serial.uart and not _UART.fullmatch(serial.uart):
        refuse(f"has serial.uart {serial.uart!r}: write it as the chip's manual does, such as USART2.")
    for name, pin in (("tx", serial.tx), ("rx", serial.rx)):
        if pin and not _PIN.fullmatch(pin):
            refuse(f"has serial.{name} {pin!r}: a pin is written as PA2, P0.06, GP0 or GPIO21.")


def _check_bare_metal(board: Board, refuse: _Refuse) -> None:
    """Clock, and where flash and RAM lie."""
    memory, mcu = board.memory, board.mcu
    if memory is None or mcu.flash_bytes is None:
        refuse("has a baremetal engine, which needs [memory] and mcu.flash_bytes.")
    if mcu.clock_hz == 0:
        refuse("has a baremetal engine, which needs mcu.clock_hz: the clock that the firmware sets up.")
    if memory.flash_origin % _FLASH_ALIGNMENT_BYTES:
        refuse(
            f"has memory.flash_origin {memory.flash_origin:#x}: the vector table there must lie at a "
            f"multiple of {_FLASH_ALIGNMENT_BYTES} bytes."
        )
    if memory.ram_origin % _RAM_ALIGNMENT_BYTES or memory.stack_bytes % _RAM_ALIGNMENT_BYTES:
        refuse(
            f"needs a memory.ram_origin and memory.stack_bytes that are multiples of {_RAM_ALIGNMENT_BYTES}."
        )
    if memory.stack_bytes > mcu.ram_bytes:
        refuse(f"reserves {memory.stack_bytes:,} bytes of stack in {mcu.ram_bytes:,} bytes of RAM.")
    flash = range(memory.flash_origin, memory.flash_origin + mcu.flash_bytes)
    ram = range(memory.ram_origin, memory.ram_origin + mcu.ram_bytes)
    for region, what in ((flash, "flash"), (ram, "RAM")):
        if region.stop > _SYSTEM_SPACE:
            refuse(f"has {what} that ends at {region.stop:#x}, beyond {_SYSTEM_SPACE:#x}, the end of memory.")
    if _overlap(flash, ram):
        refuse(
            f"has flash and RAM that overlap: {flash.start:#x} to {flash.stop:#x} and {ram.start:#x} to "
            f"{ram.stop:#x}."
        )


def _check_emulator(board: Board, emulator: Emulator, refuse: _Refuse) -> None:
    """``machine`` becomes a program or an argument of one: only plain names may."""
    machine = emulator.machine
    if emulator.kind == "qemu-user" and not _QEMU_USER.fullmatch(machine):
        refuse(
            f"has emulator.machine {machine!r}: under qemu-user that is a program of QEMU, 'qemu-' and "
            "an architecture in small letters, such as qemu-aarch64."
        )
    if emulator.kind == "qemu-system":
        if not _NAME.fullmatch(machine):
            refuse(f"has emulator.machine {machine!r}: a machine's name is made of {_NAME_MEANING}.")
        if board.mcu.clock_hz == 0:
            refuse("is emulated by qemu-system, which needs mcu.clock_hz: the machine's clock.")
    if emulator.kind == "simavr":
        if not _SIMAVR.fullmatch(machine):
            refuse(f"has emulator.machine {machine!r}: under simavr that is a chip, such as atmega2560.")
        if board.mcu.clock_hz == 0:
            refuse("is emulated by simavr, which needs mcu.clock_hz: the chip's clock.")
    if emulator.kind == "unicorn":
        _check_unicorn(board, refuse)


def _check_unicorn(board: Board, refuse: _Refuse) -> None:
    from edgekit.device.emulators import virtual_device

    memory, mcu = board.memory, board.mcu
    if memory is None or mcu.flash_bytes is None:
        refuse("is emulated by unicorn, which needs [memory] and mcu.flash_bytes.")
    if any(engine.framework != "baremetal" for engine in board.engines.values()):
        refuse("is emulated by unicorn, which runs baremetal engines only.")
    device = range(virtual_device.BASE, virtual_device.BASE + virtual_device.SIZE_BYTES)
    for what, origin, size_bytes in (
        ("flash", memory.flash_origin, mcu.flash_bytes),
        ("ram", memory.ram_origin, mcu.ram_bytes),
    ):
        if origin % _PAGE_BYTES:
            refuse(
                f"has memory.{what}_origin {origin:#x}: under unicorn it must be a multiple of "
                f"{_PAGE_BYTES:#x}."
            )
        if size_bytes > _EMULATED_LIMIT_BYTES:
            refuse(
                f"has mcu.{what}_bytes {size_bytes:,}: unicorn emulates at most {_EMULATED_LIMIT_BYTES:,} "
                "bytes, because they are memory of this computer."
            )
        if _overlap(range(origin, origin + size_bytes), device):
            refuse(f"has {what} where the virtual board has its device, at {device.start:#x}.")


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
