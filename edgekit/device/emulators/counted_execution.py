"""Counts the instructions that a program executes under Unicorn, exactly and at a useful speed.

Unicorn can stop after a given number of instructions but cannot say how many it has executed, and a
Python call for each basic block slows it down a hundredfold. So from the first reading of its counter
on, the program runs in slices of known length. When it reads the counter again in the middle of a
slice, the slice is taken back and repeated in shorter slices, down to single instructions, until the
reading instruction is the next one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from edgekit.device.emulators.processor import Processor
from edgekit.device.emulators.virtual_device import DeviceState, VirtualDevice

NOWHERE = 0xFFFF_FFFE
"""An address that no program reaches; Unicorn wants one to stop at."""

_SHRINK = 8
_SLICE_INSTRUCTIONS = _SHRINK**6


@dataclass(frozen=True)
class _Snapshot:
    registers: object
    ram: bytes
    device: DeviceState


class CountedExecution:
    """Runs ``processor``, counting where the device ``counts``.

    ``ram`` is start and size of all memory that a program can change. ``executed`` grows from one
    reading of the counter to the next; sending or receiving in between makes it stand still, because
    what is executed while the program waits for the host means nothing.
    """

    def __init__(
        self, processor: Processor, pc_register: int, ram: tuple[int, int], device: VirtualDevice
    ) -> None:
        self.executed = 0
        self._counting = False
        self._uc = processor
        self._pc_register = pc_register
        self._ram = ram
        self._device = device

    def run(self, pc: int, limit_s: float) -> int:
        """Runs from ``pc`` until the device pauses the program, or for about ``limit_s``.

        Returns where to go on. Raises what Unicorn raises.
        """
        deadline = time.monotonic() + limit_s
        self._device.resume()
        while not self._device.paused and time.monotonic() < deadline:
            if self._counting:
                pc = self._run_to_reading(pc, deadline)
            else:
                self._uc.emu_start(pc | 1, NOWHERE, max(1, int((deadline - time.monotonic()) * 1e6)), 0)
                pc = self._uc.reg_read(self._pc_register)
            if self._device.count_wanted:
                self._device.give_count(self.executed)
                self._start_counting()
        if self._device.paused:
            self._counting = False
        return pc

    def _start_counting(self) -> None:
        if not self._counting:
            # Code that was translated while nothing was counted would go on uncounted.
            self._uc.ctl_flush_tb()
        self._counting = True

    def _run_to_reading(self, pc: int, deadline: float) -> int:
        """Runs in slices to the next reading of the counter, a pause, or the deadline."""
        step = _SLICE_INSTRUCTIONS
        while True:
            before = self._snapshot()
            self._uc.emu_start(pc | 1, NOWHERE, 0, step)
            if self._device.count_wanted:
                self._restore(before)
                if step == 1:
                    self._device.count_wanted = True
                    return pc
                step //= _SHRINK
                continue
            pc = self._uc.reg_read(self._pc_register)
            if self._device.paused:
                return pc
            self.executed += step
            if step == _SLICE_INSTRUCTIONS and time.monotonic() >= deadline:
                return pc

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(self._uc.context_save(), bytes(self._uc.mem_read(*self._ram)), self._device.state())

    def _restore(self, snapshot: _Snapshot) -> None:
        self._uc.context_restore(snapshot.registers)
        self._uc.mem_write(self._ram[0], snapshot.ram)
        self._device.restore(snapshot.device)
