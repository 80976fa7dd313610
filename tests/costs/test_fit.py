"""Whether a model fits, told from what an image needs, measured or at the least."""

from __future__ import annotations

import subprocess
import sys

import pytest
from codegen.models import tiny_model

from edgekit.codegen.c_model import constant_bytes
from edgekit.codegen.memory_plan import plan_graph
from edgekit.costs.fit import (
    FLASH_TOLERANCE,
    HARNESS_CODE_BYTES,
    HARNESS_RAM_BYTES,
    BoardMemory,
    Needs,
    check_fit,
    least_needs,
    predicted_needs,
)
from edgekit.costs.prediction import UNKNOWN, Prediction
from edgekit.errors import DoesNotFitError

PROGRAM, PLAN = plan_graph(tiny_model())
STACK_BYTES = 512
LEAST = least_needs(PLAN.arena_bytes, constant_bytes(PROGRAM, PLAN), BoardMemory(0, 0, STACK_BYTES))


def test_the_least_that_an_image_takes():
    assert LEAST.ram_bytes == PLAN.arena_bytes + STACK_BYTES + HARNESS_RAM_BYTES
    assert LEAST.flash_bytes == constant_bytes(PROGRAM, PLAN) + HARNESS_CODE_BYTES
    assert not LEAST.is_measured


@pytest.mark.parametrize("flash_bytes", [LEAST.flash_bytes, None])
def test_a_model_that_fits_exactly_passes(flash_bytes: int | None) -> None:
    check_fit(LEAST, "board", BoardMemory(LEAST.ram_bytes, flash_bytes, STACK_BYTES))


@pytest.mark.parametrize(("memory", "ram", "flash"), [("RAM", -7, 0), ("flash", 0, -7)])
def test_a_model_that_is_seven_bytes_too_large_is_refused(memory: str, ram: int, flash: int) -> None:
    board = BoardMemory(LEAST.ram_bytes + ram, LEAST.flash_bytes + flash, STACK_BYTES)
    with pytest.raises(DoesNotFitError, match=f"does not fit tiny-board.* of {memory}.* 7 bytes") as caught:
        check_fit(LEAST, "tiny-board", board)
    assert caught.value.missing_bytes == 7


def test_measured_ram_is_exact_and_measured_flash_has_a_tolerance():
    needs = Needs(ram_bytes=10_000, flash_bytes=50_000, is_measured=True)
    check_fit(needs, "board", BoardMemory(10_000, int(50_000 * (1 - FLASH_TOLERANCE)), STACK_BYTES))
    with pytest.raises(DoesNotFitError, match="1 bytes are missing"):
        check_fit(needs, "board", BoardMemory(9_999, 50_000, STACK_BYTES))
    with pytest.raises(DoesNotFitError, match="needs 50,000 bytes of flash"):
        check_fit(needs, "board", BoardMemory(10_000, int(50_000 * (1 - FLASH_TOLERANCE)) - 1, STACK_BYTES))


def test_what_is_predicted_is_needed_with_the_stack():
    memory = BoardMemory(0, 0, STACK_BYTES)
    assert predicted_needs(UNKNOWN, memory) is None
    assert predicted_needs(Prediction(7_000, 900, None), memory) == Needs(900 + STACK_BYTES, 7_000, True)


def test_the_code_generator_knows_no_boards() -> None:
    program = (
        "import pkgutil, sys, edgekit.codegen as package, importlib;"
        "[importlib.import_module('edgekit.codegen.' + m.name)"
        " for m in pkgutil.iter_modules(package.__path__)];"
        "print('edgekit.boards' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
