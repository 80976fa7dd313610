"""Bounds are not only true, but for a single operator the narrowest there are: every input is tried."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from graph import tflite_builder as build
from graph.tflite_builder import Quantized

from edgekit.graph.executor import execute
from edgekit.graph.passes.bounds import graph_bounds
from edgekit.graph.tflite import read_tflite

WEIGHTS = np.array([[90, -70], [3, 1], [-1, 0], [0, 0], [127, 127], [-20, 60]], np.int8)
BIAS = np.array([500, -1500, 40, 12345, -64000, 2**30], np.int32)
ODD = Quantized(0.05, -128)


def _layers():
    stage = {"bias": BIAS, "input_quantized": Quantized(0.1, 7), "output_quantized": ODD}
    filters = WEIGHTS.reshape(6, 1, 1, 2)
    yield "conv", build.convolution("CONV_2D", (1, 1, 1, 2), filters, activation="RELU6", **stage)
    yield "fully connected", build.fully_connected((1, 2), WEIGHTS, **stage)
    per_channel = [0.01, 0.3, 1e-13, 0.01, 0.0001, 5.0]
    yield "factors", build.convolution("CONV_2D", (1, 1, 1, 2), filters, filter_scales=per_channel, **stage)
    # One column inside, one row of the padding: the tap of the row never counts.
    rows = WEIGHTS.reshape(6, 1, 2, 1)
    yield "border", build.convolution("CONV_2D", (1, 1, 2, 1), rows, **stage)
    depthwise = WEIGHTS[:1].reshape(1, 1, 2, 1)
    yield "depthwise", build.convolution("DEPTHWISE_CONV_2D", (1, 1, 2, 1), depthwise)
    yield "average", build.pool("AVERAGE_POOL_2D", (1, 2, 1, 1), (2, 1), activation="RELU")
    yield "maximum", build.pool("MAX_POOL_2D", (1, 2, 1, 1), (2, 1), activation="RELU6")
    yield "add", build.add((1, 2), Quantized(0.1, 3), Quantized(0.02, -5), ODD, activation="RELU")
    yield "mean", build.mean((1, 1, 2, 1), Quantized(0.1, 3), Quantized(0.01, -5))
    yield "pad", build.pad((1, 2), [(0, 0), (1, 2)])
    yield "reshape", build.reshape((1, 2), (1, 1, 2))


LAYERS = dict(_layers())


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_both_ends_of_its_bounds_and_nothing_beyond(name):
    graph = read_tflite(LAYERS[name], name)
    pairs = np.array(list(product(range(-128, 128), repeat=2)), np.int8)
    inputs = [
        (pairs if len(graph.inputs) == 1 else np.roll(pairs, position, axis=1)).reshape(
            -1, *graph.tensors[index].shape[1:]
        )
        for position, index in enumerate(graph.inputs)
    ]
    (outputs,) = execute(graph, inputs)
    bounds = graph_bounds(graph)[graph.outputs[0]]
    np.testing.assert_array_equal(outputs.min(axis=0), bounds.low[0])
    np.testing.assert_array_equal(outputs.max(axis=0), bounds.high[0])


def test_sums_that_wrap_around_have_the_bounds_of_the_clamp():
    weights = np.array([[1]], np.int8)
    bias = np.array([2**31 - 100], np.int32)
    graph = read_tflite(build.fully_connected((1, 1), weights, bias=bias), "wraps")
    everything = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)
    assert set(execute(graph, [everything])[0].ravel().tolist()) == {-128, 127}
    bounds = graph_bounds(graph)[graph.outputs[0]]
    assert (bounds.low.item(), bounds.high.item()) == (-128, 127)


def test_a_softmax_over_constants_is_a_constant():
    filters = np.zeros((3, 2), np.int8)
    builder = build.ModelBuilder()
    source = builder.activation("input", (1, 2), Quantized())
    logits = builder.activation("logits", (1, 3), Quantized())
    output = builder.activation("output", (1, 3), Quantized(1 / 256, -128))
    inputs = [source, builder.constant("filter", filters, [0.01])]
    options = build.schema.FullyConnectedOptionsT()
    builder.operator("FULLY_CONNECTED", inputs, logits, options)
    softmax = build.schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    builder.operator("SOFTMAX", [logits], output, softmax)
    bounds = graph_bounds(read_tflite(builder.build([source], [output]), "constant"))
    assert bounds[output].constant.all()
    assert bounds[output].low.ravel().tolist() == [-43, -43, -43]
