"""Whether a model can fit a board at all, told before any compiler runs.

The arena and the constants are known exactly from the graph, the stack from the board's profile; code and
the link's state are counted with figures just below the smallest builds, so a model that is refused cannot
fit. One that passes by a hair may still be refused by the linker, which is reported in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import DoesNotFitError

# Start-up, link and the smallest set of kernels, optimised for size on Cortex-M.
HARNESS_CODE_BYTES = 4_000
# The link's buffers and state.
HARNESS_RAM_BYTES = 680
# The same on an 8-bit AVR: bodies of 64 bytes, Arduino's Serial, and the model's description.
AVR_HARNESS_RAM_BYTES = 600

_HINT = "Choose a smaller alpha, image size or depth, or a board with more {memory} (`edgekit boards`)."
_RAM_HINT = f"The engine aot needs less with --optimize ram or --stream-input. {_HINT.format(memory='RAM')}"


@dataclass(frozen=True)
class BoardMemory:
    """What a board has. ``flash_bytes`` is None where programs lie in a file system; ``stack_bytes`` are
    set aside from RAM, ``harness_ram_bytes`` are the least that link and port take there.
    """

    ram_bytes: int
    flash_bytes: int | None
    stack_bytes: int
    harness_ram_bytes: int = HARNESS_RAM_BYTES


def check_fit(arena_bytes: int, constant_bytes: int, board_name: str, memory: BoardMemory) -> None:
    """Raises DoesNotFitError, naming the missing bytes, where a model cannot fit a board of that memory."""
    needed_bytes = arena_bytes + memory.stack_bytes + memory.harness_ram_bytes
    if needed_bytes > memory.ram_bytes:
        raise DoesNotFitError(board_name, "RAM", needed_bytes, memory.ram_bytes, _RAM_HINT)
    needed_bytes = constant_bytes + HARNESS_CODE_BYTES
    flash_bytes = memory.flash_bytes
    if flash_bytes is not None and needed_bytes > flash_bytes:
        raise DoesNotFitError(board_name, "flash", needed_bytes, flash_bytes, _HINT.format(memory="flash"))
