"""Deployed graphs as C: odd numbers of channels and wide padding are nothing new to kernels and plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from codegen.generated import compile_model, layers_in_c, layers_in_numpy
from graph.agreement import probing_inputs
from graph.passes.networks import RandomNetwork
from graph.passes.test_padding import padded

from edgekit.graph.ir import Graph
from edgekit.graph.passes.dead_channels import remove_dead_channels
from edgekit.graph.passes.padding import fold_padding
from edgekit.graph.tflite import read_tflite

MODELS = {
    "full padding": padded("CONV_2D", [(2, 2), (2, 2), (0, 0)]),
    "uneven padding": padded("DEPTHWISE_CONV_2D", [(0, 2), (2, 0), (0, 0)], strides=(2, 2)),
    "random 3": RandomNetwork(3).build(layers=5),
    "random 14": RandomNetwork(14).build(layers=5),
}


def deployed(model: bytes) -> Graph:
    """Without alignment; its operators are numbered as those of a .tflite, without gaps."""
    graph = remove_dead_channels(fold_padding(read_tflite(model, "deployed")), multiple=1)
    return replace(graph, ops=tuple(replace(op, index=number) for number, op in enumerate(graph.ops)))


@pytest.mark.parametrize("name", MODELS)
def test_every_layer(name, tmp_path):
    graph = deployed(MODELS[name])
    inputs = probing_inputs(graph, noise=6)
    program = compile_model(graph, tmp_path, "layers.c")
    assert layers_in_c(program, inputs) == layers_in_numpy(graph, inputs)
