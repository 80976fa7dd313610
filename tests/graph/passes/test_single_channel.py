"""Depthwise convolutions of one channel become convolutions."""

from __future__ import annotations

import numpy as np
import pytest
from graph.agreement import assert_equal_outputs, distinct_rows, probing_inputs
from graph.passes.equality import differing_tensors
from graph.tflite_builder import Quantized, convolution

from edgekit.codegen.layers import lower
from edgekit.graph.ir import Conv2D, DepthwiseConv2D, Graph
from edgekit.graph.passes import deploy
from edgekit.graph.passes.single_channel import as_convolutions
from edgekit.graph.tflite import read_tflite


def depthwise(channels: int, multiplier: int, **how) -> bytes:
    random = np.random.default_rng(4)
    outputs = channels * multiplier
    how = {"size": (10, 4), "padding": "SAME", "strides": (2, 2), "dilation": (1, 1), **how}
    return convolution(
        "DEPTHWISE_CONV_2D",
        (1, 13, 8, channels),
        random.integers(-128, 128, (1, *how.pop("size"), outputs)).astype(np.int8),
        bias=random.integers(-3000, 3000, outputs).astype(np.int32),
        filter_scales=random.uniform(0.001, 0.01, outputs).tolist(),
        input_quantized=Quantized(0.05, 83),
        output_quantized=Quantized(0.4, -5),
        **how,
    )


def converted(model: bytes) -> Graph:
    """The graph after the pass, which is proved."""
    graph = read_tflite(model, "single")
    inputs = probing_inputs(graph, noise=20)
    after = as_convolutions(graph)
    assert distinct_rows(assert_equal_outputs(model, inputs)) > 8
    assert differing_tensors(graph, after, inputs) == []
    return after


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"padding": "VALID", "activation": "RELU"},
        {"size": (2, 3), "strides": (1, 1), "dilation": (2, 3)},
        {"size": (1, 5), "strides": (1, 3)},
    ],
    ids=["keywords", "valid", "dilated", "flat"],
)
@pytest.mark.parametrize("multiplier", [2, 8])
def test_one_channel_with_several_outputs(multiplier, how):
    (op,) = converted(depthwise(1, multiplier, **how)).ops
    assert isinstance(op, Conv2D)
    assert op.filter.shape[0] == multiplier
    assert op.index == 0


@pytest.mark.parametrize(("channels", "multiplier"), [(1, 1), (2, 1), (2, 4)])
def test_others_stay(channels, multiplier):
    (op,) = converted(depthwise(channels, multiplier)).ops
    assert isinstance(op, DepthwiseConv2D)


def test_vectors_run_what_only_the_portable_kernel_would():
    graph = read_tflite(depthwise(1, 8, activation="RELU"), "keywords")
    functions = [lower(g, frozenset({"dsp"})).layers[0].call.function for g in (graph, deploy(graph).graph)]
    assert functions[0] == "ek_depthwise_conv_2d_s8"
    assert functions[1].startswith("ek_dsp_conv_2d")
