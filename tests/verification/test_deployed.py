"""A device that runs the deployed graph: fewer channels, fewer operators, the same outputs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from graph.passes.test_dead_channels import LOW, two_convolutions, weights
from graph.passes.test_padding import padded
from verification.test_verify import FAKE, ExecutorDevice, Golden

from edgekit.device.device import OpProfile
from edgekit.errors import DeviceError, ModelError
from edgekit.graph.ir import Graph
from edgekit.graph.passes import deploy
from edgekit.graph.tflite import read_tflite
from edgekit.verification.vectors import noise_vectors
from edgekit.verification.verify import compute_reference, verify

MODELS = {
    "dead channels": two_convolutions(weights(8, 3, 3, 2), [LOW, 0, LOW, 0] * 2, weights(3, 3, 3, 8)),
    "folded padding": padded("CONV_2D", [(0, 1), (0, 1), (0, 0)], strides=(2, 2)),
}


class DeployedDevice(ExecutorDevice):
    """Runs ``deployed`` in place of ``graph``, and shows nothing for the operators that it does not have."""

    def __init__(self, graph: Graph, deployed: Graph) -> None:
        super().__init__(deployed)
        self.op_count = len(graph.ops)

    def info(self):
        return dataclasses.replace(super().info(), op_count=self.op_count)

    def profile(self, inputs):
        shown = {profile.op_index: profile for profile in super().profile(inputs)}
        return tuple(shown.get(index, OpProfile(index, 0, 0, 0)) for index in range(self.op_count))

    def op_output(self, op_index, inputs):
        position = next(n for n, op in enumerate(self.graph.ops) if op.index == op_index)
        return super().op_output(position, inputs)


@pytest.fixture(params=MODELS)
def graph(request) -> Graph:
    return read_tflite(MODELS[request.param], request.param)


def reference(graph: Graph, deployed: Graph | None = None):
    return compute_reference(graph, Golden(graph), [], noise_vectors(graph, 24, seed=1), deployed)


def test_the_deployed_layers_are_compared(graph):
    deployed = deploy(graph).graph
    verdict = verify(DeployedDevice(graph, deployed), graph, reference(graph, deployed), FAKE)
    assert verdict.exact
    assert verdict.layer_check.complete
    assert verdict.layer_check.operators == len(deployed.ops)


def test_a_device_built_without_passes_is_compared_with_the_model(graph):
    deployed = deploy(graph).graph
    verdict = verify(ExecutorDevice(graph), graph, reference(graph, deployed), FAKE)
    assert verdict.exact
    assert verdict.layer_check.complete
    assert verdict.layer_check.operators == len(graph.ops)


def with_changed_bias(graph: Graph) -> Graph:
    last = graph.ops[-1]
    changed = dataclasses.replace(last, bias=last.bias + np.int32(3000))
    return dataclasses.replace(graph, ops=(*graph.ops[:-1], changed))


def test_a_wrong_byte_in_a_deployed_layer_is_found(graph):
    deployed = deploy(graph).graph
    device = DeployedDevice(graph, with_changed_bias(deployed))
    verdict = verify(device, graph, reference(graph, deployed), FAKE)
    assert not verdict.exact
    assert verdict.first_difference.layer.op_index == graph.ops[-1].index
    assert verdict.layer_check.first_difference.op_index == graph.ops[-1].index


def test_passes_that_change_outputs_are_found_before_a_device_is_judged(graph):
    with pytest.raises(ModelError, match=r"passes changed the outputs of .* on 24 of 24.*--no-passes"):
        reference(graph, with_changed_bias(deploy(graph).graph))


def test_layers_of_no_known_graph_are_an_error():
    graph = read_tflite(MODELS["dead channels"], "dead channels")
    deployed = deploy(graph).graph

    class Strange(DeployedDevice):
        def profile(self, inputs):
            return tuple(
                dataclasses.replace(profile, size_bytes=profile.size_bytes + 1)
                for profile in super().profile(inputs)
            )

    with pytest.raises(DeviceError, match=r"operator 0 \(CONV_2D\) writes"):
        verify(Strange(graph, deployed), graph, reference(graph, deployed), FAKE)
