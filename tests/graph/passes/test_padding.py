"""PAD becomes part of the window behind it, where elements outside count for what PAD puts there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from graph.agreement import assert_equal_layers, assert_equal_outputs, distinct_rows, probing_inputs
from graph.passes.equality import differing_tensors
from graph.tflite_builder import ModelBuilder, Pair, Quantized, output_size, schema, set_window

from edgekit.graph.ir import Graph, Pad
from edgekit.graph.passes import deploy
from edgekit.graph.passes.padding import fold_padding
from edgekit.graph.tflite import read_tflite

SHAPE = (1, 6, 7, 2)
ODD = Quantized(0.05, 9)


def padded(
    opcode: str,
    pads: Sequence[Pair],
    size: Pair = (3, 3),
    strides: Pair = (1, 1),
    quantized: Quantized = ODD,
    times: int = 1,
    activation: str = "NONE",
    padding: str = "VALID",
) -> bytes:
    """``times`` PADs of height, width and channels by ``pads``, and an operator with a window behind them."""
    builder = ModelBuilder()
    source = builder.activation("input", SHAPE, quantized)
    current, shape = source, SHAPE
    for _ in range(times):
        amounts = builder.constant("paddings", np.array([(0, 0), *pads], np.int32))
        shape = tuple(extent + sum(pad) for extent, pad in zip(shape, [(0, 0), *pads], strict=True))
        output = builder.activation("padded", shape, quantized)
        builder.operator("PAD", [current, amounts], output, schema.PadOptionsT())
        current = output
    inputs, options, channels = _operator(builder, opcode, size, shape[3])
    set_window(options, padding, strides, activation)
    spatial = output_size(shape, size, padding, strides, (1, 1))
    result = quantized if "POOL" in opcode else Quantized(0.3, -4)
    output = builder.activation("output", (1, *spatial, channels), result)
    builder.operator(opcode, [current, *inputs], output, options)
    return builder.build([source], [output])


def _operator(builder: ModelBuilder, opcode: str, size: Pair, depth: int):
    """Constants, options and output channels of the operator."""
    random = np.random.default_rng(2)
    if "POOL" in opcode:
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = size
        return [], options, depth
    depthwise = opcode == "DEPTHWISE_CONV_2D"
    shape = (1, *size, depth) if depthwise else (3, *size, depth)
    filters = random.integers(-128, 128, shape).astype(np.int8)
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.dilationHFactor = options.dilationWFactor = 1
    if depthwise:
        options.depthMultiplier = 1
    return [builder.constant("filter", filters, [0.01])], options, depth if depthwise else 3


def folded(model: bytes) -> Graph:
    """The graph after the pass, which is proved."""
    graph = read_tflite(model, "padded")
    inputs = probing_inputs(graph, noise=20)
    after = fold_padding(graph)
    assert distinct_rows(assert_equal_outputs(model, inputs)) > 8
    assert differing_tensors(graph, after, inputs) == []
    return after


@pytest.mark.parametrize("opcode", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    ("pads", "size", "strides"),
    [
        ([(0, 1), (0, 1), (0, 0)], (3, 3), (2, 2)),
        ([(1, 1), (1, 1), (0, 0)], (3, 3), (2, 1)),
        ([(2, 2), (2, 2), (0, 0)], (3, 3), (1, 1)),
        ([(1, 0), (0, 3), (0, 0)], (2, 4), (1, 2)),
        ([(0, 2), (2, 0), (0, 0)], (3, 3), (3, 3)),
    ],
)
def test_convolutions_take_padding(opcode, pads, size, strides):
    after = folded(padded(opcode, pads, size, strides))
    assert [op.opcode for op in after.ops] == [opcode]
    assert after.ops[0].index == 1
    assert (after.ops[0].window.pad_top, after.ops[0].window.pad_left) == (pads[0][0], pads[1][0])
    assert set(after.tensors) == {*after.inputs, *after.outputs}


def test_padding_before_a_window_that_pads():
    after = folded(padded("CONV_2D", [(0, 1), (1, 0), (0, 0)], padding="SAME", size=(5, 5)))
    assert [op.opcode for op in after.ops] == ["CONV_2D"]
    assert (after.ops[0].window.pad_top, after.ops[0].window.pad_left) == (2, 3)


def test_padding_twice():
    after = folded(padded("CONV_2D", [(1, 0), (0, 1), (0, 0)], times=2))
    assert [op.opcode for op in after.ops] == ["CONV_2D"]


@pytest.mark.parametrize(
    "pads",
    [[(0, 0), (0, 0), (0, 1)], [(1, 1), (1, 1), (1, 0)], [(3, 0), (0, 0), (0, 0)], [(0, 0), (0, 3), (0, 0)]],
    ids=["channels", "channels too", "a window above", "a window beside"],
)
def test_other_padding_stays(pads):
    after = folded(padded("CONV_2D", pads))
    assert [op.opcode for op in after.ops] == ["PAD", "CONV_2D"]


@pytest.mark.parametrize(
    ("quantized", "activation", "stays"),
    [(ODD, "NONE", True), (ODD, "RELU", False), (Quantized(0.05, -128), "NONE", False)],
    ids=["larger than some", "the clamp", "the smallest there is"],
)
def test_a_maximum_takes_padding_that_is_never_the_largest(quantized, activation, stays):
    after = folded(
        padded("MAX_POOL_2D", [(1, 1), (0, 1), (0, 0)], quantized=quantized, activation=activation)
    )
    assert [op.opcode for op in after.ops] == ["PAD", "MAX_POOL_2D"][not stays :]


def test_an_average_counts_its_padding():
    after = folded(padded("AVERAGE_POOL_2D", [(1, 1), (0, 1), (0, 0)]))
    assert [op.opcode for op in after.ops] == ["PAD", "AVERAGE_POOL_2D"]


def test_padding_that_others_read_stays_for_them():
    builder = ModelBuilder()
    source = builder.activation("input", SHAPE, ODD)
    amounts = builder.constant("paddings", np.array([(0, 0), (1, 0), (0, 1), (0, 0)], np.int32))
    between = builder.activation("padded", (1, 7, 8, 2), ODD)
    builder.operator("PAD", [source, amounts], between, schema.PadOptionsT())
    inputs, options, channels = _operator(builder, "CONV_2D", (3, 3), 2)
    set_window(options, "VALID", (1, 1), "NONE")
    output = builder.activation("output", (1, 5, 6, channels), Quantized(0.3, -4))
    builder.operator("CONV_2D", [between, *inputs], output, options)
    model = builder.build([source], [output, between])
    graph = read_tflite(model, "shared")
    inputs = probing_inputs(graph)
    assert_equal_layers(model, graph, inputs)
    after = fold_padding(graph)
    assert [(op.opcode, op.inputs) for op in after.ops] == [("PAD", (source,)), ("CONV_2D", (source,))]
    assert differing_tensors(graph, after, inputs) == []


def test_what_folding_saves_is_told():
    deployed = deploy(read_tflite(padded("CONV_2D", [(0, 1), (0, 1), (0, 0)], strides=(2, 2)), "told"))
    assert [str(saving) for saving in deployed.savings] == ["folded padding: operators -1"]
    assert not any(isinstance(op, Pad) for op in deployed.graph.ops)
