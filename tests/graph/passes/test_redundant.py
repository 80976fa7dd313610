"""Operators that change nothing, repeat another, or are read by nobody."""

from __future__ import annotations

import numpy as np
from graph.agreement import assert_equal_layers, probing_inputs
from graph.passes.equality import differing_tensors
from graph.tflite_builder import ModelBuilder, Quantized, schema, set_window

from edgekit.graph.ir import Graph
from edgekit.graph.passes.redundant import remove_redundant
from edgekit.graph.tflite import read_tflite

SHAPE = (1, 4, 4, 3)
PLAIN = Quantized(0.05, 9)


class Network:
    """Operators behind each other or beside each other, each by a line."""

    def __init__(self) -> None:
        self.builder = ModelBuilder()
        self.source = self.builder.activation("input", SHAPE, PLAIN)

    def pad(self, source: int) -> int:
        amounts = self.builder.constant("paddings", np.zeros((4, 2), np.int32))
        return self._add("PAD", [source, amounts], schema.PadOptionsT())

    def pool(self, source: int, activation: str = "NONE") -> int:
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = 1
        set_window(options, "VALID", (1, 1), activation)
        return self._add("MAX_POOL_2D", [source], options)

    def convolution(self, source: int, seed: int = 1) -> int:
        filters = np.random.default_rng(seed).integers(-128, 128, (3, 3, 3, 3)).astype(np.int8)
        options = schema.Conv2DOptionsT()
        set_window(options, "SAME", (1, 1), "NONE")
        options.dilationHFactor = options.dilationWFactor = 1
        return self._add("CONV_2D", [source, self.builder.constant("filter", filters, [0.004])], options)

    def sum(self, one: int, other: int) -> int:
        return self._add("ADD", [one, other], schema.AddOptionsT())

    def reduced(self, *outputs: int) -> tuple[Graph, Graph]:
        """The graph, and what the pass makes of it: proved."""
        model = self.builder.build([self.source], outputs)
        graph = read_tflite(model, "network")
        inputs = probing_inputs(graph)
        assert_equal_layers(model, graph, inputs)
        after = remove_redundant(graph)
        assert differing_tensors(graph, after, inputs) == []
        return graph, after

    def _add(self, opcode: str, inputs: list[int], options: object) -> int:
        output = self.builder.activation(opcode.lower(), SHAPE, PLAIN)
        self.builder.operator(opcode, inputs, output, options)
        return output


def test_operators_that_change_nothing():
    network = Network()
    before = network.pool(network.pad(network.source))
    _, after = network.reduced(network.convolution(before))
    assert [(op.index, op.opcode) for op in after.ops] == [(2, "CONV_2D")]
    assert after.ops[0].inputs == (network.source,)


def test_a_pool_that_clamps_changes_something():
    network = Network()
    _, after = network.reduced(network.convolution(network.pool(network.source, "RELU6")))
    assert [op.opcode for op in after.ops] == ["MAX_POOL_2D", "CONV_2D"]


def test_a_pool_that_clamps_again_changes_nothing():
    network = Network()
    clamped = network.pool(network.pool(network.source, "RELU6"), "RELU6")
    _, after = network.reduced(network.convolution(clamped))
    assert [(op.index, op.opcode) for op in after.ops] == [(0, "MAX_POOL_2D"), (2, "CONV_2D")]


def test_equal_operators_run_once():
    network = Network()
    one, other = network.convolution(network.source), network.convolution(network.source)
    both = network.sum(network.convolution(one, seed=2), network.convolution(other, seed=2))
    _, after = network.reduced(both)
    assert [op.index for op in after.ops] == [0, 2, 4]


def test_operators_of_other_weights_both_run():
    network = Network()
    one, other = network.convolution(network.source), network.convolution(network.source, seed=2)
    graph, after = network.reduced(network.sum(one, other))
    assert after.ops == graph.ops


def test_outputs_stay_apart():
    network = Network()
    one, other = network.convolution(network.source), network.convolution(network.source)
    graph, after = network.reduced(one, other, network.pad(network.source))
    assert len(after.ops) == len(graph.ops)


def test_what_nobody_reads_vanishes_but_for_the_last_operator():
    """The last one's number says how many operators the .tflite has."""
    network = Network()
    network.convolution(network.convolution(network.source, seed=3), seed=4)
    output = network.convolution(network.source)
    _, after = network.reduced(output)
    assert [op.index for op in after.ops] == [2]
    network = Network()
    output = network.convolution(network.source)
    network.convolution(network.convolution(network.source, seed=3), seed=4)
    _, after = network.reduced(output)
    assert [op.index for op in after.ops] == [0, 1, 2]
