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
    """Registers and buffers. ``stop_processor`` asks the processor to stop soon.

    A register that stops the processor may be read again by the same instruction when it goes on.
    ``paused`` and what follows it say why the processor was stopped.
    """

    memory: Memory
    stop_processor: Callable[[], None]
    executed_instructions: Callable[[], int] | None = None
    """How many so far; None where nobody counts them."""
    from_host: bytearray = field(default_factory=bytearray)
    to_host: bytearray = field(default_factory=bytearray)
    paused: bool = False
    waits_for_input: bool = False
    reset_due: bool = False
    exit_code: int | None = None
    _tx_busy: bool = False
    _registers: dict[int, int] = field(default_factory=dict)

    def power_on(self) -> None:
        """Back to the state after power-on. Bytes on their way stay on their way."""
        self.resume()
        self.exit_code = None
        self._tx_busy = False
        self._registers.clear()

    def resume(self) -> None:
        """Forgets why the processor was stopped; to be called before it goes on."""
        self.paused = self.waits_for_input = self.reset_due = False

    def read(self, offset: int) -> int:
        """The processor reads a register; those that are not for reading are 0."""
        if offset == TX_BUSY:
            return self._read_tx_busy()
        if offset == RX_COUNT:
            return self._read_rx_count()
        if offset == COUNTS:
            return int(self.executed_instructions is not None)
        if offset == COUNT_LOW:
            return self._read_count_low()
        return self._registers.get(COUNT_HIGH, 0) if offset == COUNT_HIGH else 0

    def write(self, offset: int, value: int) -> None:
        """The processor writes a register. Raises ValueError for a buffer outside the board's memory."""
        if offset == TX_SIZE:
            self.to_host += self.memory.load(self._registers.get(TX_ADDRESS, 0), value)
            self._tx_busy = True
        elif offset == RESET:
            self.reset_due = True
            self._pause()
        elif offset == STOP:
            self.exit_code = value
            self._pause()
        else:
            self._registers[offset] = value

    def _pause(self) -> None:
        self.paused = True
        self.stop_processor()

    def _read_tx_busy(self) -> int:
        # Busy exactly once: the pause lets the host take the bytes, the repeated read goes on.
        busy, self._tx_busy = self._tx_busy, False
        if busy:
            self._pause()
        return int(busy)

    def _read_rx_count(self) -> int:
        data = bytes(self.from_host[: self._registers.get(RX_CAPACITY, 0)])
        if not data:
            self.waits_for_input = not self.from_host
            self._pause()
            return 0
        self.memory.store(self._registers.get(RX_ADDRESS, 0), data)
        del self.from_host[: len(data)]
        return len(data)

    def _read_count_low(self) -> int:
        count = self.executed_instructions() if self.executed_instructions is not None else 0
        self._registers[COUNT_HIGH] = count >> 32
        return count & 0xFFFF_FFFF
