"""Whether a model can fit a board at all, told before any compiler runs.

The arena and the constants are known exactly from the graph, the stack from the board's profile. What link,
start-up and kernels take was measured for cores and compilers that edgekit drives itself; elsewhere figures
just below the smallest builds stand in for it. So a model that is refused cannot fit. One that passes by a
hair may still be refused by the linker, which is reported in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.costs.prediction import Prediction
from edgekit.errors import DoesNotFitError

# Start-up, link and the smallest set of kernels, optimised for size on Cortex-M.
HARNESS_CODE_BYTES = 4_000
# The link's buffers and state.
HARNESS_RAM_BYTES = 680
# The same on an 8-bit AVR: bodies of 64 bytes, Arduino's Serial, and the model's description.
AVR_HARNESS_RAM_BYTES = 600

FLASH_TOLERANCE = 0.02
"""Of predicted flash, that a real image may be smaller."""

_HINT = "Choose a smaller alpha, image size or depth, or a board with more {memory} (`edgekit boards`)."


@dataclass(frozen=True)
class BoardMemory:
    """What a board has. ``flash_bytes`` is None where programs lie in a file system; ``stack_bytes`` are
    set aside from RAM, ``harness_ram_bytes`` are the least that link and port take there.
    """

    ram_bytes: int
    flash_bytes: int | None
    stack_bytes: int
    harness_ram_bytes: int = HARNESS_RAM_BYTES


@dataclass(frozen=True)
class Needs:
    """What firmware takes of a board's memory, stack included. ``is_measured``: it rests on measurements, RAM
    to the byte; else it is the least that there can be.
    """

    ram_bytes: int
    flash_bytes: int
    is_measured: bool


def least_needs(arena_bytes: int, constant_bytes: int, memory: BoardMemory) -> Needs:
    """The least that an image with that arena and those constants takes."""
    ram_bytes = arena_bytes + memory.stack_bytes + memory.harness_ram_bytes
    return Needs(ram_bytes, constant_bytes + HARNESS_CODE_BYTES, is_measured=False)


def predicted_needs(prediction: Prediction, memory: BoardMemory) -> Needs | None:
    """What an image takes as ``prediction`` has it; None where it has not."""
    if prediction.flash_bytes is None or prediction.static_bytes is None:
        return None
    return Needs(prediction.static_bytes + memory.stack_bytes, prediction.flash_bytes, is_measured=True)


def check_fit(needs: Needs, board_name: str, memory: BoardMemory) -> None:
    """Raises DoesNotFitError, naming the missing bytes, where ``needs`` surely exceed ``memory``."""
    if needs.ram_bytes > memory.ram_bytes:
        raise DoesNotFitError(
            board_name, "RAM", needs.ram_bytes, memory.ram_bytes, _HINT.format(memory="RAM")
        )
    least_flash_bytes = needs.flash_bytes * (1 - FLASH_TOLERANCE if needs.is_measured else 1)
    flash_bytes = memory.flash_bytes
    if flash_bytes is not None and least_flash_bytes > flash_bytes:
        raise DoesNotFitError(
            board_name, "flash", needs.flash_bytes, flash_bytes, _HINT.format(memory="flash")
        )
