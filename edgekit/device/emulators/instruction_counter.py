"""Counts the instructions that a Cortex-M program executes under Unicorn, basic block by basic block."""

from __future__ import annotations

import struct
import time

from edgekit.device.emulators.processor import Processor

# The first halfword of a 32-bit Thumb instruction has 0b11101, 0b11110 or 0b11111 in its top five bits
# (Armv7-M Architecture Reference Manual, DDI 0403E, A5.1).
_FIRST_32_BIT_HALFWORD = 0b11101 << 11

_BLOCKS_A_CHECK = 4096


def thumb_instruction_count(code: bytes) -> int:
    """Number of Thumb instructions in ``code``, which begins and ends between instructions."""
    halfwords = struct.unpack(f"<{len(code) // 2}H", code)
    count = position = 0
    while position < len(halfwords):
        position += 2 if halfwords[position] >= _FIRST_32_BIT_HALFWORD else 1
        count += 1
    return count


class InstructionCounter:
    """``executed`` instructions since start-up; the block being executed counts in full.

    So the difference between two readings made by the same instruction is exact, if nothing is sent or
    received in between. Instructions that an IT block skips count, as they do under QEMU. (Unicorn's
    own instruction limit leaves them out.)
    """

    def __init__(self, processor: Processor) -> None:
        from unicorn.unicorn_const import UC_HOOK_BLOCK

        self.executed = 0
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
            count = thumb_instruction_count(bytes(processor.mem_read(address, size_bytes)))
            self._counts[block] = count
        self.executed += count
