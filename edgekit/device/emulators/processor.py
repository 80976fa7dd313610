"""What edgekit uses of Unicorn's ``Uc``, with types: the package itself has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

RegisterRead = Callable[["Processor", int, int, object], int]
"""``(processor, offset, size_bytes, user_data) -> value``"""
RegisterWrite = Callable[["Processor", int, int, int, object], None]
"""``(processor, offset, size_bytes, value, user_data)``"""


class Processor(Protocol):
    """An emulated processor with its memory. Failures raise ``unicorn.UcError``."""

    def mem_map(self, address: int, size: int, perms: int) -> None:
        """Maps memory; ``perms`` is an OR of ``UC_PROT_*``."""

    def mmio_map(
        self,
        address: int,
        size: int,
        read: RegisterRead,
        read_data: object,
        write: RegisterWrite,
        data: object,
    ) -> None:
        """Maps a device: its accesses become calls, with offsets from ``address``."""

    def mem_read(self, address: int, size: int) -> bytearray:
        """Reads memory."""

    def mem_write(self, address: int, data: bytes) -> None:
        """Writes memory, read-only memory included."""

    def reg_read(self, register: int) -> int:
        """Reads a register, ``UC_ARM_REG_*`` or ``UC_RISCV_REG_*``."""

    def reg_write(self, register: int, value: int) -> None:
        """Writes a register, numbered as above."""

    def hook_add(self, kind: int, callback: Callable[..., object]) -> int:
        """Calls ``callback`` at events of ``kind``, ``UC_HOOK_*``."""

    def emu_start(self, begin: int, until: int, timeout: int) -> None:
        """Runs from ``begin`` (bit 0 set: Thumb) until stopped, or ``timeout`` microseconds are over."""

    def emu_stop(self) -> None:
        """Stops soon: what is being executed may be executed again when it goes on."""
