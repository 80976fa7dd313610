"""Which channels vanish, and which must not: networks of two convolutions, small enough to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from graph import tflite_builder as build
from graph.agreement import assert_equal_outputs, distinct_rows, probing_inputs
from graph.passes.equality import differing_tensors
from graph.tflite_builder import ModelBuilder, Quantized, output_size, schema, set_window

from edgekit.graph.cost import graph_macs
from edgekit.graph.executor import execute
from edgekit.graph.ir import Graph
from edgekit.graph.passes import deploy
from edgekit.graph.passes.dead_channels import remove_dead_channels
from edgekit.graph.tflite import read_tflite

SIDE = 5
RELU = Quantized(0.02, -128)
# MACs of each network without passes, and of the deployed one.
MACS = {
    "vww_96_int8": (7_489_664, 3_766_476),
    "pretrainedResnet_quant": (12_501_632, 12_501_632),
    "kws_ref_model": (2_656_768, 2_656_768),
    "ad01_int8": (264_192, 264_192),
}


def two_convolutions(
    first_filters: np.ndarray,
    first_bias: Sequence[int],
    second_filters: np.ndarray,
    padding: str = "SAME",
    depthwise: np.ndarray | None = None,
) -> bytes:
    """(1, SIDE, SIDE, I) to an image through filters OHWI, with a depthwise convolution in between or not."""
    builder = ModelBuilder()
    source = builder.activation("input", (1, SIDE, SIDE, first_filters.shape[3]), Quantized(0.02, -3))
    current, shape = source, (1, SIDE, SIDE, first_filters.shape[3])
    layers = [("CONV_2D", first_filters, np.array(first_bias, np.int32), padding, RELU)]
    if depthwise is not None:
        layers.append(("DEPTHWISE_CONV_2D", depthwise, None, padding, RELU))
    layers.append(("CONV_2D", second_filters, None, padding, Quantized(0.05, 4)))
    for opcode, filters, bias, pad, quantized in layers:
        is_depthwise = opcode == "DEPTHWISE_CONV_2D"
        options = schema.DepthwiseConv2DOptionsT() if is_depthwise else schema.Conv2DOptionsT()
        set_window(options, pad, (1, 1), "NONE")
        options.dilationHFactor = options.dilationWFactor = 1
        if is_depthwise:
            options.depthMultiplier = 1
        inputs = [current, builder.constant("filter", filters, [0.01])]
        inputs += [builder.constant("bias", bias, [0.0002])] if bias is not None else []
        spatial = output_size(shape, filters.shape[1:3], pad, (1, 1), (1, 1))
        shape = (1, *spatial, filters.shape[3 if is_depthwise else 0])
        current = builder.activation(f"after {opcode}", shape, quantized)
        builder.operator(opcode, inputs, current, options)
    return builder.build([source], [current])


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-100, 101, shape).astype(np.int8)


def channels(graph: Graph) -> list[int]:
    """Channels of each operator's output."""
    return [graph.tensors[op.output].shape[-1] for op in graph.ops]


def shrunk(model: bytes, multiple: int = 1) -> list[int]:
    """Channels after the pass, which is proved; the network is lively, so that equality says something."""
    graph = read_tflite(model, "two")
    inputs = probing_inputs(graph, noise=30)
    after = remove_dead_channels(graph, multiple)
    assert distinct_rows(assert_equal_outputs(model, inputs)) > 8
    assert differing_tensors(graph, after, inputs) == []
    return channels(after)


# The output is then -128, the zero point, or 127, whatever the input.
LOW, HIGH = -(2**30), 2**30


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_channel_stuck_at_the_zero_point_vanishes(padding):
    model = two_convolutions(weights(4, 3, 3, 2), [0, LOW, 9, LOW], weights(3, 3, 3, 4), padding)
    assert shrunk(model) == [2, 3]


def test_a_channel_stuck_elsewhere_vanishes_without_padding():
    model = two_convolutions(weights(4, 3, 3, 2), [0, HIGH, 9, LOW], weights(3, 3, 3, 4), "VALID")
    assert shrunk(model) == [2, 3]


def test_a_channel_stuck_elsewhere_stays_where_padding_stands_in_for_it():
    model = two_convolutions(weights(4, 3, 3, 2), [0, HIGH, 9, LOW], weights(3, 3, 3, 4), "SAME")
    assert shrunk(model) == [3, 3]


def test_padding_that_meets_weights_of_zero_does_no_harm():
    second = weights(3, 3, 3, 4)
    second[:, :, :, 1] = 0
    second[:, 1, 1, 1] = 90  # the one tap that is never outside
    model = two_convolutions(weights(4, 3, 3, 2), [0, HIGH, 9, 0], second, "SAME")
    assert shrunk(model) == [3, 3]


def test_one_pixel_filters_have_no_padding():
    model = two_convolutions(weights(4, 3, 3, 2), [0, HIGH, 9, LOW], weights(3, 1, 1, 4), "SAME")
    assert shrunk(model) == [2, 3]


def test_the_constant_follows_a_depthwise_convolution():
    """Channel 1 saturates before it, and differs at the borders after it; 2 is the zero point throughout."""
    depthwise = weights(1, 3, 3, 4)
    depthwise[..., 1] = 1
    model = two_convolutions(
        weights(4, 3, 3, 2), [0, HIGH, LOW, 0], weights(3, 1, 1, 4), "SAME", depthwise=depthwise
    )
    assert shrunk(model) == [3, 3, 3]


def test_what_only_a_constant_reads_vanishes_with_it():
    """The depthwise filter of channel 3 is zero: what the first convolution computes for it is of no use."""
    depthwise = weights(1, 3, 3, 4)
    depthwise[..., 3] = 0
    model = two_convolutions(weights(4, 3, 3, 2), [0, 0, 0, 0], weights(3, 1, 1, 4), depthwise=depthwise)
    assert shrunk(model) == [3, 3, 3]


def test_a_channel_without_weights_behind_it_vanishes():
    second = weights(3, 3, 3, 4)
    second[..., 2] = 0
    assert shrunk(two_convolutions(weights(4, 3, 3, 2), [0] * 4, second)) == [3, 3]


def test_sums_may_wrap_around_where_constants_are_folded():
    """The bias of the second convolution leaves int32 when the constant is folded into it."""
    model = two_convolutions(weights(4, 3, 3, 2), [0, HIGH, 9, 0], weights(3, 1, 1, 4), "VALID")
    graph = read_tflite(model, "wraps")
    full = replace(graph.ops[1], bias=np.array([2**31 - 1, -(2**31), 5], np.int32))
    graph = replace(graph, ops=(graph.ops[0], full))
    after = remove_dead_channels(graph, 1)
    assert channels(after) == [3, 3]
    changes = after.ops[1].bias.astype(np.int64) - full.bias
    assert abs(changes).max() > 2**31
    assert differing_tensors(graph, after, probing_inputs(graph, noise=30)) == []


def test_the_number_of_channels_stays_a_multiple():
    model = two_convolutions(weights(8, 3, 3, 2), [0, LOW, 9, LOW, 0, LOW, LOW, 9], weights(3, 3, 3, 8))
    assert [shrunk(model, multiple)[0] for multiple in (1, 2, 3, 4, 8)] == [4, 4, 6, 4, 8]
    model = two_convolutions(weights(6, 3, 3, 2), [0, LOW, 9, LOW, 0, 0], weights(3, 3, 3, 6))
    assert [shrunk(model, multiple)[0] for multiple in (1, 4)] == [4, 4]
    model = two_convolutions(weights(6, 3, 3, 2), [0, LOW, 9, 0, 0, 0], weights(3, 3, 3, 6))
    assert [shrunk(model, multiple)[0] for multiple in (1, 4)] == [5, 6]


def test_one_channel_stays_where_all_are_constant():
    model = two_convolutions(weights(4, 3, 3, 2), [LOW] * 4, weights(3, 3, 3, 4))
    graph = read_tflite(model, "constant")
    after = remove_dead_channels(graph, 1)
    assert channels(after) == [1, 3]
    assert differing_tensors(graph, after, probing_inputs(graph)) == []


def test_inputs_and_outputs_keep_their_channels():
    first = weights(3, 3, 3, 2)
    first[..., 0] = 0
    model = two_convolutions(first, [0, 5, 9], np.zeros((4, 1, 1, 3), np.int8))
    graph = read_tflite(model, "border")
    after = remove_dead_channels(graph, 1)
    assert [after.tensors[index].shape for index in (*after.inputs, *after.outputs)] == [
        (1, SIDE, SIDE, 2),
        (1, SIDE, SIDE, 4),
    ]
    assert differing_tensors(graph, after, probing_inputs(graph)) == []


def test_nothing_to_remove_is_the_same_graph():
    graph = read_tflite(build.ONE_OPERATOR["CONV_2D"], "one")
    assert deploy(graph).graph is graph
    assert deploy(graph).savings == ()


def test_the_reference_networks(mlperf_tiny_model):
    graph = read_tflite(mlperf_tiny_model.read_bytes(), mlperf_tiny_model.stem)
    deployed = deploy(graph)
    assert (graph_macs(graph), graph_macs(deployed.graph)) == MACS[graph.name]
    assert sum(saving.macs for saving in deployed.savings) == graph_macs(graph) - graph_macs(deployed.graph)
    assert [op.index for op in deployed.graph.ops] == [op.index for op in graph.ops]
    assert differing_tensors(graph, deployed.graph, probing_inputs(graph, noise=2)) == []


def test_vww_without_alignment(shared_folder):
    model = (shared_folder / "models" / "mlperf_tiny" / "vww_96_int8.tflite").read_bytes()
    graph = read_tflite(model, "vww")
    after = remove_dead_channels(graph, 1)
    assert graph_macs(after) == 3_727_313
    inputs = probing_inputs(graph, noise=2)
    np.testing.assert_array_equal(execute(graph, inputs)[0], execute(after, inputs)[0])
