"""Counts the instructions that a Cortex-M program executes under Unicorn, block by block."""

from __future__ import annotations

import struct

from edgekit.device.emulators.processor import Processor

# The first halfword of a 32-bit Thumb instruction has 0b11101, 0b11110 or 0b11111 in its top five bits
# (Armv7-M Architecture Reference Manual, DDI 0403E, A5.1).
_FIRST_32_BIT_HALFWORD = 0b11101 << 11


def thumb_instruction_count(code: bytes) -> int:
    """Number of Thumb instructions in ``code``, which begins and ends on instruction boundaries."""
    halfwords = struct.unpack(f"<{len(code) // 2}H", code)
    count = position = 0
    while position < len(halfwords):
        position += 2 if halfwords[position] >= _FIRST_32_BIT_HALFWORD else 1
        count += 1
    return count


class InstructionCounter:
    """``executed`` instructions since start-up, whole basic blocks at a time.

    The block that is being executed counts in full, so the difference between two readings made by
    the same instruction is exact. An instruction that an IT block skips counts, as it does in QEMU.
    """

    def __init__(self, processor: Processor) -> None:
        self.executed = 0
        self._sizes: dict[int, int] = {}
        from unicorn.unicorn_const import UC_HOOK_BLOCK

        processor.hook_add(UC_HOOK_BLOCK, self._on_block)

    def _on_block(self, processor: Processor, address: int, size_bytes: int, _: object) -> None:
        key = address << 16 | size_bytes
        count = self._sizes.get(key)
        if count is None:
            count = thumb_instruction_count(bytes(processor.mem_read(address, size_bytes)))
            self._sizes[key] = count
        self.executed += count
