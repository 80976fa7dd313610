"""The MLPerf Tiny reference networks: every byte of every layer against TFLM, on noise and on photos."""

from pathlib import Path

import numpy as np
import pytest
from graph.agreement import assert_equal_layers, distinct_rows, probing_inputs

from edgekit.graph.cost import graph_macs, op_macs
from edgekit.graph.executor import execute
from edgekit.graph.ir import Add, AveragePool2D, Conv2D, DepthwiseConv2D, FullyConnected, Reshape, Softmax
from edgekit.graph.tflite import read_tflite

MACS = {
    "vww_96_int8": 7_489_664,
    "pretrainedResnet_quant": 12_501_632,
    "kws_ref_model": 2_656_768,
    "ad01_int8": 264_192,
}
OPERATORS = {
    "vww_96_int8": {
        Conv2D: 14,
        DepthwiseConv2D: 13,
        AveragePool2D: 1,
        Reshape: 1,
        FullyConnected: 1,
        Softmax: 1,
    },
    "pretrainedResnet_quant": {
        Conv2D: 9,
        Add: 3,
        AveragePool2D: 1,
        Reshape: 1,
        FullyConnected: 1,
        Softmax: 1,
    },
    "kws_ref_model": {
        Conv2D: 5,
        DepthwiseConv2D: 4,
        AveragePool2D: 1,
        Reshape: 1,
        FullyConnected: 1,
        Softmax: 1,
    },
    "ad01_int8": {FullyConnected: 10},
}
PHOTOS = {
    "vww_96_int8": ("data/cats_dogs/test/*/*.jpg", 96, 30),
    "pretrainedResnet_quant": ("data/cifar10/test/*/*.jpg", 32, 40),
}


def photographs(folder: Path, pattern: str, side: int, count: int) -> np.ndarray:
    """int8 pictures (count, side, side, 3), evenly taken from all classes: q = uint8 - 128."""
    image = pytest.importorskip("PIL.Image")
    files = sorted(folder.glob(pattern))
    chosen = files[:: max(1, len(files) // count)][:count]
    pixels = [np.asarray(image.open(file).convert("RGB").resize((side, side))) for file in chosen]
    return (np.stack(pixels).astype(np.int16) - 128).astype(np.int8)


def test_every_layer_on_noise_and_corners(mlperf_tiny_model):
    model = mlperf_tiny_model.read_bytes()
    graph = read_tflite(model, mlperf_tiny_model.stem)
    assert_equal_layers(model, graph, probing_inputs(graph, noise=20))


@pytest.mark.parametrize("name", PHOTOS)
def test_every_layer_on_photographs(shared_folder, name):
    pattern, side, count = PHOTOS[name]
    pictures = photographs(shared_folder, pattern, side, count)
    model = (shared_folder / "models" / "mlperf_tiny" / f"{name}.tflite").read_bytes()
    graph = read_tflite(model, name)
    assert_equal_layers(model, graph, [pictures])
    (outputs,) = execute(graph, [pictures])
    assert distinct_rows(outputs) > 8


def test_structure_and_cost(mlperf_tiny_model):
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    kinds = [type(op) for op in graph.ops]
    assert {kind: kinds.count(kind) for kind in kinds} == OPERATORS[graph.name]
    assert graph_macs(graph) == MACS[graph.name]
    assert all(op_macs(graph, op) == 0 for op in graph.ops if isinstance(op, Add | Reshape | Softmax))


def test_a_batch_equals_its_images_one_by_one(mlperf_tiny_model):
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    (inputs,) = probing_inputs(graph, noise=8)
    (together,) = execute(graph, [inputs])
    alone = [execute(graph, [inputs[index : index + 1]])[0] for index in range(len(inputs))]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [np.zeros((1, 640), np.uint8)],
        [np.zeros((1, 641), np.int8)],
        [np.zeros((0, 640), np.int8)],
        [np.zeros((1, 640), np.int8)] * 2,
    ],
    ids=["none", "dtype", "shape", "empty batch", "too many"],
)
def test_inputs_that_do_not_fit_are_refused(shared_folder, inputs):
    model = shared_folder / "models" / "mlperf_tiny" / "ad01_int8.tflite"
    graph = read_tflite(model.read_bytes(), "ad01")
    with pytest.raises(ValueError, match="ad01"):
        execute(graph, inputs)
