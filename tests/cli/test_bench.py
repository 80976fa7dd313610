"""`edgekit bench`: what an inference costs, layer by layer, and that the layers make up the whole."""

from __future__ import annotations

import json

import pytest
from graph import tflite_builder as build

FIELDS = {
    "instructions", "macs", "instructions_per_mac", "code_bytes", "constant_bytes",
    "harness_code_bytes", "harness_constant_bytes", "model_bytes",
    "arena_bytes", "static_bytes", "stack_bytes", "ram_bytes", "layers", "exact",
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "layer.tflite"
    path.write_bytes(build.softmax((1, 40)))
    return path


def test_figures_of_a_model(edgekit, workspace, model):
    done = edgekit("bench", "-w", str(workspace), "-b", "virt-cortex-m4", "-m", str(model), "--json")
    assert done.exit_code == 0, done.err
    cost = json.loads(done.out)
    assert cost.keys() >= FIELDS
    assert cost["exact"] is True
    assert cost["inputs"] == 8
    layers = sum(layer["instructions"] for layer in cost["layers"])
    assert 0.9 * layers < cost["instructions"] < 1.1 * layers, "observing costs a little"
    assert cost["ram_bytes"] == cost["arena_bytes"] + cost["static_bytes"] + cost["stack_bytes"]
    assert 0 < cost["harness_code_bytes"] < cost["code_bytes"]
    assert 0 < cost["harness_constant_bytes"] < cost["constant_bytes"]
    assert cost["instructions_per_mac"] is None, "softmax multiplies no weights"


def test_a_table_for_people(edgekit, workspace, model):
    done = edgekit("bench", "-w", str(workspace), "-b", "virt-cortex-m4", "-m", str(model))
    assert done.exit_code == 0, done.err
    (row,) = [line.split() for line in done.out.splitlines() if line.startswith("SOFTMAX")]
    assert row[-1].startswith("softmax")
    assert "bit-exact on 8 inputs" in done.out
    assert "are start-up, port and link), the model" in done.out
