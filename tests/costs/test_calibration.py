"""How costs are found from measurements, and sizes from object files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def module(name: str):
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_costs_are_found_from_sums():
    calibrate = module("calibrate")
    true = {"rows": 100.0, "tiles": 40.0, "bytes": 2.5}
    generator = np.random.default_rng(1)
    measurements = []
    for _ in range(30):
        work = {kind: int(generator.integers(1, 500)) for kind in true}
        instructions = round(sum(true[kind] * count for kind, count in work.items()))
        keyed = {("kernel", kind): count for kind, count in work.items()}
        measurements.append(calibrate.Measurement(instructions, keyed))
    costs = calibrate.fit(measurements)["kernel"]
    assert costs == pytest.approx(true, rel=0.01)


def test_no_cost_is_negative():
    calibrate = module("calibrate")
    a = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    b = np.array([3.0, 2.0, 1.0])  # falls with the second column
    found = calibrate.nonnegative_least_squares(a, b)
    assert found == pytest.approx([2.0, 0.0])


def test_kernels_that_run_in_one_operator_are_fitted_together():
    calibrate = module("calibrate")
    measure = calibrate.Measurement
    groups = list(
        calibrate._connected(
            [measure(1, {("a", "rows"): 1}), measure(1, {("b", "rows"): 1}),
             measure(1, {("a", "rows"): 1, ("c", "rows"): 1})]
        )
    )  # fmt: skip
    assert sorted(sorted(kernels) for kernels, _ in groups) == [["a", "c"], ["b"]]


def test_what_a_function_brings_into_an_image():
    object_code = module("object_code")

    def piece(*refers_to: str):
        return object_code.ObjectPiece("file.c", 10, 4, False, frozenset(), frozenset(refers_to))

    pieces = {
        "kernel": piece("helper"),
        "helper": piece("table", "memcpy"),
        "table": piece(),
        "other": piece(),
    }
    assert object_code.reached(pieces, ["kernel"]) == {"kernel", "helper", "table", "memcpy"}
