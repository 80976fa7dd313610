"""Costs are known of every operator that the engine runs, on every core that was measured."""

from __future__ import annotations

from functools import cache

import pytest
from kernels.cases import all_cases

from edgekit.codegen.kernels import TABLES
from edgekit.codegen.layers import Program, lower
from edgekit.costs.prediction import ENGINE
from edgekit.costs.tables import cost_table, measured_core
from edgekit.costs.work import layer_work
from edgekit.toolchains.cores import CORES

MEASURED = [
    (core, toolchain)
    for core in CORES
    for toolchain in ("zig", "gcc")
    if measured_core(core) == core and cost_table(core, toolchain) is not None
]


@cache
def programs(features: frozenset[str]) -> list[tuple[str, Program]]:
    return [
        (case.name, lower(case.graph, known, accumulate=accumulate))
        for case in all_cases()
        for known in {features, frozenset[str]()}
        for accumulate in (False, True)
    ]


@pytest.mark.parametrize(("core", "toolchain"), MEASURED)
def test_every_operator_is_told(core, toolchain):
    table = cost_table(core, toolchain)
    for level in table.levels.values():
        assert ENGINE in level.instructions
        for name, program in programs(frozenset({*CORES[core].features, TABLES})):
            for layer in program.layers:
                costs = level.instructions.get(layer.call.cost_name)
                assert costs is not None, f"{name}: {layer.call.cost_name}"
                missing = layer_work(layer, program.graph).keys() - costs.keys()
                assert not missing, f"{name}: {layer.call.cost_name} has no costs of {missing}"
                if level.harnesses:
                    assert layer.call.function in level.pieces, name
