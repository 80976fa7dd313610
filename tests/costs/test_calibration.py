"""How costs are found from measurements, and sizes from object files."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgekit.costs.tables import Piece, reached

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def module(name: str):
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_costs_are_found_from_sums(capsys):
    fitting = module("fitting")
    true = {"rows": 100.0, "tiles": 40.0, "bytes": 2.5}
    generator = np.random.default_rng(1)
    measurements = []
    for _ in range(30):
        work = {kind: int(generator.integers(1, 500)) for kind in true}
        instructions = round(sum(true[kind] * count for kind, count in work.items()))
        keyed = {("kernel", kind): count for kind, count in work.items()}
        measurements.append(fitting.Measurement(instructions, keyed))
    costs = fitting.fit(measurements)["kernel"]
    assert costs == pytest.approx(true, rel=0.01)
    assert "kernel: 30 layers, median error 0.0%" in capsys.readouterr().out


def test_errors_are_those_of_layers_that_costs_were_not_found_from():
    fitting = module("fitting")
    work = np.ones((10, 1))
    work[5] = 0.5  # A layer that takes twice as many instructions for its work as the others.
    errors = fitting.held_out_errors(work)
    assert errors[5] == pytest.approx(-0.5)
    # The one that is held out with it is not affected, the others are: their costs came from it, too.
    assert errors[0] == pytest.approx(0)
    assert 0 < errors[1] < 0.1


def test_no_cost_is_negative():
    fitting = module("fitting")
    a = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    b = np.array([3.0, 2.0, 1.0])  # falls with the second column
    found = fitting.nonnegative_least_squares(a, b)
    assert found == pytest.approx([2.0, 0.0])


def test_kernels_that_run_in_one_operator_are_fitted_together():
    fitting = module("fitting")
    measure = fitting.Measurement
    groups = list(
        fitting.connected(
            [measure(1, {("a", "rows"): 1}), measure(1, {("b", "rows"): 1}),
             measure(1, {("a", "rows"): 1, ("c", "rows"): 1})]
        )
    )  # fmt: skip
    assert sorted(sorted(kernels) for kernels, _ in groups) == [["a", "c"], ["b"]]


def test_what_a_function_brings_into_an_image():
    def piece(*refers_to: str):
        return Piece(size_bytes=10, refers_to=refers_to)

    pieces = {
        "kernel": piece("helper"),
        "helper": piece("table", "memcpy"),
        "table": piece(),
        "other": piece(),
    }
    assert reached(pieces, ["kernel"]) == {"kernel", "helper", "table", "memcpy"}


def test_layers_are_chosen_until_each_kernel_has_enough():
    calibrate = module("calibrate")
    ways = calibrate.choose_layers("depthwise", "cortex-m4f", 0, 3)
    counts = Counter(layer.call.cost_name for layers in ways.values() for layer in layers)
    assert set(counts) == {
        *(
            f"ek_dsp_{name}depthwise_conv_2d{stage}_s8"
            for name in ("", "strided_")
            for stage in ("", "_exact")
        ),
        "ek_depthwise_conv_2d_s8",
    }
    assert set(counts.values()) == {3}


def test_layers_of_another_seed_are_others():
    layers = module("calibration_layers")
    assert [op.filter.shape for op in layers.family("squares", 0).ops] == [
        op.filter.shape for op in layers.family("squares", 0).ops
    ]
    assert [op.filter.shape for op in layers.family("squares", 0).ops] != [
        op.filter.shape for op in layers.family("squares", 1).ops
    ]
