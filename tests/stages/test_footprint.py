"""Whether a model fits, told from the graph and two numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
from codegen.models import tiny_model

from edgekit.codegen.c_model import constant_bytes
from edgekit.codegen.memory_plan import plan_graph
from edgekit.costs.fit import HARNESS_CODE_BYTES, HARNESS_RAM_BYTES, BoardMemory, check_fit
from edgekit.errors import DoesNotFitError

PROGRAM, PLAN = plan_graph(tiny_model())
ARENA_BYTES = PLAN.arena_bytes
CONSTANT_BYTES = constant_bytes(PROGRAM, PLAN)
STACK_BYTES = 512
LEAST_RAM_BYTES = ARENA_BYTES + STACK_BYTES + HARNESS_RAM_BYTES
LEAST_FLASH_BYTES = CONSTANT_BYTES + HARNESS_CODE_BYTES


@pytest.mark.parametrize("flash_bytes", [LEAST_FLASH_BYTES, None])
def test_a_model_that_fits_exactly_passes(flash_bytes: int | None) -> None:
    check_fit(ARENA_BYTES, CONSTANT_BYTES, "board", BoardMemory(LEAST_RAM_BYTES, flash_bytes, STACK_BYTES))


@pytest.mark.parametrize(("memory", "ram", "flash"), [("RAM", -7, 0), ("flash", 0, -7)])
def test_a_model_that_is_seven_bytes_too_large_is_refused(memory: str, ram: int, flash: int) -> None:
    with pytest.raises(DoesNotFitError, match=f"does not fit tiny-board.* of {memory}.* 7 bytes") as caught:
        check_fit(
            ARENA_BYTES,
            CONSTANT_BYTES,
            "tiny-board",
            BoardMemory(LEAST_RAM_BYTES + ram, LEAST_FLASH_BYTES + flash, STACK_BYTES),
        )
    assert caught.value.missing_bytes == 7


def test_the_code_generator_knows_no_boards() -> None:
    program = (
        "import pkgutil, sys, edgekit.codegen as package, importlib;"
        "[importlib.import_module('edgekit.codegen.' + m.name)"
        " for m in pkgutil.iter_modules(package.__path__)];"
        "print('edgekit.boards' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
