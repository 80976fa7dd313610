"""The arbiter and the comparators: which one is chosen, what they say, and how they fail."""

import itertools
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from graph import tflite_builder as build
from graph.agreement import open_tflm, probing_inputs
from graph.tflite_builder import ModelBuilder, Quantized, edited

from edgekit.errors import ModelError
from edgekit.golden import (
    TFLM_VERSION,
    NumpyInterpreter,
    RefusedInterpreter,
    TflmInterpreter,
    open_comparators,
    open_golden,
)
from edgekit.graph.executor import execute_all
from edgekit.graph.tflite import read_tflite

HEAVY = ("tflite_micro", "ai_edge_litert", "tflite_runtime", "tensorflow")
ADD = build.add((1, 2, 3, 4), Quantized(0.05, 3), Quantized(0.02, -5), Quantized(0.06, 0))
DENSE = build.fully_connected(
    (1, 8), np.arange(-16, 16, dtype=np.int8).reshape(4, 8), bias=np.arange(4, dtype=np.int32)
)


def with_impossible_bias_scale(model):
    model.subgraphs[0].tensors[2].quantization.scale = np.array([5.0], dtype=np.float32)


def test_importing_imports_no_interpreter():
    program = f"import sys, edgekit.golden; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_golden_is_tflm_and_equals_the_numpy_executor():
    graph = read_tflite(ADD, "add")
    open_tflm(ADD, graph)
    golden = open_golden(ADD, graph)
    inputs = probing_inputs(graph)
    assert golden.name == "TFLM"
    assert (golden.version, golden.pinned, golden.note) == (TFLM_VERSION, True, None)
    assert golden.independent
    (output,) = golden.run(inputs)
    assert output.shape == (16, 2, 3, 4)
    assert output.dtype == np.int8
    np.testing.assert_array_equal(output, NumpyInterpreter(graph).run(inputs)[0])


def test_golden_is_numpy_where_tflm_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    golden = open_golden(ADD, read_tflite(ADD, "add"))
    assert isinstance(golden, NumpyInterpreter)
    assert golden.name == "edgekit NumPy executor"
    assert not golden.independent
    assert golden.note is not None
    assert golden.note.startswith("TFLM is not installed: ")
    assert "tflite_micro" in golden.note


def test_golden_without_its_distribution_says_so(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    golden = open_golden(ADD, read_tflite(ADD, "add"))
    assert not golden.independent
    assert golden.note == "TFLM is not installed: No package metadata was found for tflite-micro"


def test_another_tflm_than_the_pinned_one_is_told(monkeypatch):
    graph = read_tflite(ADD, "add")
    open_tflm(ADD, graph)
    monkeypatch.setattr(metadata, "version", lambda name: "0.dev1")
    golden = open_golden(ADD, graph)
    assert (golden.version, golden.pinned, golden.independent) == ("0.dev1", False, True)
    assert golden.note is not None
    assert TFLM_VERSION in golden.note


def test_pinned_tflm_is_that_of_the_dependencies():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    (pin,) = (name for name in project["project"]["dependencies"] if name.startswith("tflite-micro"))
    assert pin.split(";")[0].strip() == f"tflite-micro=={TFLM_VERSION}"


@pytest.mark.parametrize(("classes", "kind"), [(511, TflmInterpreter), (512, NumpyInterpreter)])
def test_golden_of_a_softmax_that_could_end_tflm_is_numpy(classes, kind):
    model = build.softmax((1, classes))
    graph = read_tflite(model, "softmax")
    open_tflm(model, graph)
    golden = open_golden(model, graph)
    assert isinstance(golden, kind)
    assert golden.independent == (golden.note is None) == (kind is TflmInterpreter)
    flat = np.zeros((1, classes), dtype=np.int8)
    assert set(golden.run([flat])[0].ravel().tolist()) <= {-128, -127}


def test_tflm_is_quiet(capfd):
    graph = read_tflite(ADD, "add")
    tflm = open_tflm(ADD, graph)
    tflm.run(probing_inputs(graph))
    tflm.tensors(probing_inputs(graph))
    assert capfd.readouterr() == ("", "")


def test_refusal_by_tflm_carries_its_own_words(capfd):
    graph = read_tflite(DENSE, "dense")
    open_tflm(DENSE, graph)
    with pytest.raises(ModelError, match=r"TFLM refuses dense: .*scale_diff.*FULLY_CONNECTED"):
        open_golden(edited(DENSE, with_impossible_bias_scale), graph)
    assert capfd.readouterr().err == ""


def test_arena_grows_until_every_tensor_is_kept():
    builder = ModelBuilder()
    tensors = [builder.activation(f"tensor {index}", (1, 200_000), Quantized()) for index in range(12)]
    for source, output in itertools.pairwise(tensors):
        builder.operator("RESHAPE", [source], output)
    model = builder.build([tensors[0]], [tensors[-1]])
    graph = read_tflite(model, "long")
    inputs = probing_inputs(graph, noise=1)
    kept = open_tflm(model, graph).tensors(inputs)
    assert set(kept) == set(tensors)
    np.testing.assert_array_equal(kept[tensors[-1]], inputs[0])


def test_layers_of_tflm_have_the_shapes_of_the_graph():
    graph = read_tflite(DENSE, "dense")
    inputs = probing_inputs(graph)
    kept = open_tflm(DENSE, graph).tensors(inputs)
    expected = execute_all(graph, inputs)
    assert kept.keys() == expected.keys()
    for index, values in expected.items():
        np.testing.assert_array_equal(kept[index], values)


def test_comparators_run_or_say_why_not():
    graph = read_tflite(ADD, "add")
    inputs = probing_inputs(graph)
    comparators = open_comparators(ADD)
    assert [comparator.name for comparator in comparators] == [
        "LiteRT",
        "LiteRT BUILTIN_REF",
        "tflite-runtime BUILTIN_REF",
    ]
    for comparator in comparators:
        if isinstance(comparator, RefusedInterpreter):
            assert comparator.reason == "not installed"
        else:
            (output,) = comparator.run(inputs)
            assert output.shape == (16, 2, 3, 4)
            assert comparator.independent
            assert not comparator.pinned


def test_comparators_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    first = open_comparators(ADD)[0]
    assert first == RefusedInterpreter("LiteRT", "", "not installed")


def test_comparator_that_refuses_the_model_gives_its_reason(capfd):
    first = open_comparators(b"no model at all")[0]
    assert isinstance(first, RefusedInterpreter)
    assert "not a valid" in first.reason
    assert first.version
    assert capfd.readouterr().err == ""


def test_litert_reference_kernels_round_fully_connected_otherwise(shared_folder):
    """Why LiteRT is no golden: it rounds once where TFLM rounds twice."""
    model = (shared_folder / "models" / "mlperf_tiny" / "ad01_int8.tflite").read_bytes()
    graph = read_tflite(model, "ad01_int8")
    inputs = probing_inputs(graph)
    reference = open_comparators(model)[1]
    assert not isinstance(reference, RefusedInterpreter)
    theirs, ours = reference.run(inputs)[0].astype(int), open_golden(model, graph).run(inputs)[0].astype(int)
    assert 1 <= np.abs(theirs - ours).max() <= 3
