"""Counts the instructions that a program executes under Unicorn, basic block by basic block."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgekit.device.emulators.processor import Processor

_BLOCKS_A_CHECK = 4096


class InstructionCounter:
    """``executed`` instructions since start-up; the block being executed counts in full.

    ``count`` gives the number of instructions in a block's code.

    So the difference between two readings made by the same instruction is exact, if nothing is sent or
    received in between. Instructions that an IT block skips count, as they do under QEMU. (Unicorn's
    own instruction limit leaves them out.)
    """

    def __init__(self, processor: Processor, count: Callable[[bytes], int]) -> None:
        from unicorn.unicorn_const import UC_HOOK_BLOCK

        self.executed = 0
        self._count = count
        self._counts: dict[int, int] = {}
        self._deadline_s = 0.0
        self._blocks_to_check = 0
        processor.hook_add(UC_HOOK_BLOCK, self._on_block)

    def stop_at(self, deadline_s: float) -> None:
        """Has the processor stop once ``time.monotonic()`` is past ``deadline_s``.

        Unicorn's own time limit may stop between counting a block and executing it, which would then
        count twice.
        """
        self._deadline_s = deadline_s
        self._blocks_to_check = _BLOCKS_A_CHECK

    def _on_block(self, processor: Processor, address: int, size_bytes: int, _: object) -> None:
        self._blocks_to_check -= 1
        if self._blocks_to_check <= 0:
            self._blocks_to_check = _BLOCKS_A_CHECK
            if time.monotonic() >= self._deadline_s:
                # The block is not executed now; it is counted when the processor goes on with it.
                processor.emu_stop()
                return
        block = address << 16 | size_bytes
        count = self._counts.get(block)
        if count is None:
            count = self._count(bytes(processor.mem_read(address, size_bytes)))
            self._counts[block] = count
        self.executed += count
