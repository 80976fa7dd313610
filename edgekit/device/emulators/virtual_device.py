"""The one device of the virtual board: serial port, reset, instruction counter.

``firmware/port/virt/ek_virt.h`` documents the registers; the numbers here are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

BASE = 0x4000_0000
SIZE_BYTES = 0x1000

TX_ADDRESS = 0x00
TX_SIZE = 0x04
TX_BUSY = 0x08
RX_ADDRESS = 0x0C
RX_CAPACITY = 0x10
RX_COUNT = 0x14
RESET = 0x18
STOP = 0x1C
COUNTS = 0x20
COUNT_LOW = 0x24
COUNT_HIGH = 0x28


class Memory(Protocol):
    """The board's memory as the device sees it. Both raise ValueError for addresses outside it."""

    def load(self, address: int, size_bytes: int) -> bytes:
        """``size_bytes`` bytes from ``address``."""

    def store(self, address: int, data: bytes) -> None:
        """Writes ``data`` at ``address``."""


@dataclass
class VirtualDevice:
    """Registers and buffers. ``pause`` asks the processor to stop soon; reads may then be repeated.

    ``executed_instructions`` is None where nothing counts them. ``waits_for_input``, ``reset_due`` and
    ``exit_code`` tell the emulator why the processor was paused.
    """

    memory: Memory
    pause: Callable[[], None]
    executed_instructions: Callable[[], int] | None = None
    from_host: bytearray = field(default_factory=bytearray)
    to_host: bytearray = field(default_factory=bytearray)
    waits_for_input: bool = False
    reset_due: bool = False
    exit_code: int | None = None
    _tx_busy: bool = False
    _registers: dict[int, int] = field(default_factory=dict)

    def power_on(self) -> None:
        """Back to the state after power-on. Bytes on their way stay on their way."""
        self.waits_for_input = self.reset_due = self._tx_busy = False
        self.exit_code = None
        self._registers.clear()

    def read(self, offset: int) -> int:
        """The processor reads a register; those that are not for reading are 0."""
        if offset == TX_BUSY:
            return self._read_tx_busy()
        if offset == RX_COUNT:
            return self._read_rx_count()
        if offset == COUNTS:
            return int(self.executed_instructions is not None)
        if offset == COUNT_LOW:
            count = self.executed_instructions() if self.executed_instructions is not None else 0
            self._registers[COUNT_HIGH] = count >> 32 & 0xFFFF_FFFF
            return count & 0xFFFF_FFFF
        return self._registers.get(COUNT_HIGH, 0) if offset == COUNT_HIGH else 0

    def write(self, offset: int, value: int) -> None:
        """The processor writes a register. Raises ValueError for a buffer outside the board's memory."""
        if offset == TX_SIZE:
            self.to_host += self.memory.load(self._registers.get(TX_ADDRESS, 0), value)
            self._tx_busy = True
        elif offset == RESET:
            self.reset_due = True
            self.pause()
        elif offset == STOP:
            self.exit_code = value
            self.pause()
        else:
            self._registers[offset] = value

    def _read_tx_busy(self) -> int:
        # Busy exactly once: the pause lets the host take the bytes, the repeated read goes on.
        busy, self._tx_busy = self._tx_busy, False
        if busy:
            self.pause()
        return int(busy)

    def _read_rx_count(self) -> int:
        capacity = self._registers.get(RX_CAPACITY, 0)
        data = bytes(self.from_host[:capacity])
        self.waits_for_input = not self.from_host
        if not data:
            self.pause()
            return 0
        self.memory.store(self._registers.get(RX_ADDRESS, 0), data)
        del self.from_host[: len(data)]
        return len(data)
