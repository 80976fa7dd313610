"""What a program will take of a board: RAM to the byte, flash and instructions closely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.codegen.c_model import constant_bytes, variable_bytes
from edgekit.codegen.layers import Program
from edgekit.codegen.memory_plan import MemoryPlan
from edgekit.costs.tables import CostTable, Harness, Level, reached
from edgekit.costs.work import Work, engine_work, layer_work

ARENA = "link/main.c.bss.arena"
"""The variable that the activations lie in."""

_WORD_BYTES = 4

ENGINE = "engine"
"""What the engine does between kernels, among the kernels of a table."""


@dataclass(frozen=True)
class Prediction:
    """Bytes of flash (code, constants, initial data), of RAM without the stack, and the instructions of one
    inference. What was not measured is None.
    """

    flash_bytes: int | None
    static_bytes: int | None
    instructions: int | None


UNKNOWN = Prediction(None, None, None)
"""Of a core or compiler that nothing was measured for."""


def predict(
    program: Program, plan: MemoryPlan, table: CostTable | None, optimize: str, port: str
) -> Prediction:
    """What ``program`` costs as it lies in ``plan``, built with ``optimize`` for a board of that ``port``."""
    level = table.level(optimize) if table is not None else None
    if level is None:
        return UNKNOWN
    harness = level.harnesses.get(port)
    return Prediction(
        flash_bytes=None if harness is None else _flash_bytes(program, plan, level, harness),
        static_bytes=None if harness is None else _static_bytes(program, plan, harness),
        instructions=_instructions(program, plan, level),
    )


def _instructions(program: Program, plan: MemoryPlan, level: Level) -> int | None:
    """Of the kernels, and of the engine between layers that take turns."""
    works = [(ENGINE, engine_work(program, plan))]
    works += [
        (layer.call.cost_name, layer_work(layer, program.graph))
        for layer in program.layers
        if layer.call is not None
    ]
    costs = [_cost(work, level.instructions.get(name, {})) for name, work in works]
    return None if None in costs else round(sum(cost for cost in costs if cost is not None))


def _cost(work: Work, costs: Mapping[str, float]) -> float | None:
    """None where the cost of one of its kinds was not measured."""
    if not work.keys() <= costs.keys():
        return None
    return sum(costs[kind] * count for kind, count in work.items())


def _flash_bytes(program: Program, plan: MemoryPlan, level: Level, harness: Harness) -> int | None:
    functions = {layer.call.function for layer in program.layers if layer.call is not None}
    if not functions <= level.pieces.keys():
        return None
    kernels = reached(level.pieces, functions) - set(harness.pieces)
    kernel_bytes = sum(level.pieces[name].size_bytes for name in kernels)
    return harness.flash_bytes + kernel_bytes + constant_bytes(program, plan)


def _static_bytes(program: Program, plan: MemoryPlan, harness: Harness) -> int:
    """Zeroed variables one after the other, each aligned, as the linker lays them out."""
    own = {f"model/model.c.bss.{name}": size for name, size in variable_bytes(program, plan).items()}
    own[ARENA] = plan.arena_bytes
    end = 0
    for variable in harness.variables:
        end += -end % variable.alignment + own.get(variable.name, variable.size_bytes)
    return harness.data_bytes + end + -end % _WORD_BYTES
