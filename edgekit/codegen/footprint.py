"""Whether a model can fit a board at all, told before any compiler runs.

The arena and the constants are known exactly from the graph; code, stack and the test harness are
counted here with figures just below the smallest builds, so a model that is refused cannot fit. One
that passes by a hair may still be refused by the linker, which is reported in the same words.
"""

from __future__ import annotations

from edgekit.codegen.c_model import constant_bytes
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.errors import DoesNotFitError
from edgekit.graph.ir import Graph

# Start-up, link and the smallest set of kernels, optimised for size on Cortex-M.
HARNESS_CODE_BYTES = 4_000
# The link's buffers and state, and the least stack that an inference runs on.
HARNESS_RAM_BYTES = 2_000

_HINT = "Choose a smaller alpha, image size or depth, or a board with more {memory} (`edgekit boards`)."


def check_fit(
    graph: Graph, plan: MemoryPlan, board_name: str, ram_bytes: int, flash_bytes: int | None
) -> None:
    """Raises DoesNotFitError, naming the missing bytes, where ``graph`` cannot fit a board of that memory.

    ``flash_bytes`` is None where the program does not run from flash.
    """
    needed_bytes = plan.arena_bytes + HARNESS_RAM_BYTES
    if needed_bytes > ram_bytes:
        raise DoesNotFitError(board_name, "RAM", needed_bytes, ram_bytes, _HINT.format(memory="RAM"))
    needed_bytes = constant_bytes(graph) + HARNESS_CODE_BYTES
    if flash_bytes is not None and needed_bytes > flash_bytes:
        raise DoesNotFitError(board_name, "flash", needed_bytes, flash_bytes, _HINT.format(memory="flash"))
