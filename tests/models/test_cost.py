"""The cost model reproduces the published figures of the MobileNet papers and of known networks."""

import pytest

from edgekit.models.architecture import Architecture, Convolution, Dense, DepthwiseConvolution, walk
from edgekit.models.cost import Cost, cost, layer_cost
from edgekit.models.families import describe
from edgekit.models.mobilenet_v1 import mobilenet_v1
from edgekit.models.mobilenet_v2 import mobilenet_v2


def imagenet_v1(alpha: float = 1.0, image_size: int = 224, **options) -> Cost:
    return cost(mobilenet_v1(image_size, 3, 1000, alpha, **options))


def imagenet_v2(alpha: float) -> Cost:
    return cost(mobilenet_v2(224, 3, 1000, alpha))


V1_MILLION_MACS = {
    1.0: {224: 568.7, 192: 418.1, 160: 290.7, 128: 186.4, 96: 105.3},
    0.75: {224: 325.4, 192: 239.3, 160: 166.4, 128: 106.8, 96: 60.4},
    0.5: {224: 149.5, 192: 110.0, 160: 76.5, 128: 49.2, 96: 27.9},
    0.25: {224: 41.0, 192: 30.2, 160: 21.1, 128: 13.6, 96: 7.7},
}


@pytest.mark.parametrize(
    ("alpha", "image_size", "million_macs"),
    [(alpha, size, macs) for alpha, by_size in V1_MILLION_MACS.items() for size, macs in by_size.items()],
)
def test_macs_of_mobilenet_v1(alpha, image_size, million_macs):
    assert round(imagenet_v1(alpha, image_size).macs / 1e6, 1) == million_macs


@pytest.mark.parametrize(
    ("alpha", "million_parameters"), [(1.0, 4.24), (0.75, 2.59), (0.5, 1.34), (0.25, 0.47)]
)
def test_parameters_of_mobilenet_v1(alpha, million_parameters):
    """The published counts hold three of batch normalization's four values a channel besides the weights.

    ``Cost.parameters`` counts one, the bias that remains when it is folded.
    """
    counted = imagenet_v1(alpha)
    published = counted.parameters + 2 * counted.normalized_channels
    assert round(published / 1e6, 2) == million_parameters
    assert counted.parameters / 1e6 == pytest.approx(million_parameters, rel=0.011)


@pytest.mark.parametrize(
    ("options", "million_macs", "million_parameters"),
    [({"depth": "shallow"}, 307, 2.9), ({"alpha": 0.75}, 325, 2.6)],
)
def test_tables_5_of_the_v1_paper(options, million_macs, million_parameters):
    counted = imagenet_v1(**options)
    assert round(counted.macs / 1e6) == million_macs
    assert round(counted.trainable_parameters / 1e6, 1) == million_parameters


def test_full_convolution_of_table_4_of_the_v1_paper():
    """The paper says 4,866 M; its own layers give 4,867.3 M, so its last digit cannot be reproduced."""
    counted = imagenet_v1(separable=False)
    assert counted.macs == 4_867_293_184
    assert counted.macs / 1e6 == pytest.approx(4866, rel=0.0003)
    assert round(counted.parameters / 1e6, 1) == 29.3


@pytest.mark.parametrize(
    ("alpha", "million_macs", "million_parameters"),
    [(1.4, 582, 6.06), (1.0, 300, 3.47), (0.75, 209, 2.61), (0.5, 97, 1.95), (0.35, 59, 1.66)],
)
def test_mobilenet_v2(alpha, million_macs, million_parameters):
    """The published counts leave batch normalization out; MACs are cut off, not rounded (300.8 is "300")."""
    counted = imagenet_v2(alpha)
    assert counted.macs // 1_000_000 == million_macs
    without_norm = counted.parameters - counted.normalized_channels
    assert without_norm / 1e6 == pytest.approx(million_parameters, abs=0.006)


def test_person_detection_at_96():
    """The MLPerf Tiny network: its MACs, and the optimal layer by layer allocation of its activations."""
    counted = cost(mobilenet_v1(96, 3, 2, 0.25))
    assert counted.macs == 7_489_664
    assert counted.peak_activation_bytes == 55_296


def test_residual_networks_hold_their_skip_tensors():
    assert cost(mobilenet_v2(96, 3, 2, 0.35)).peak_activation_bytes == 138_240


def test_a_skip_tensor_counts_while_it_waits():
    counted = {layer.name: layer for layer in cost(mobilenet_v2(32, 3, 2, 1.0)).layers}
    # Block 3 reads 8x8x24 (1,536 bytes), expands it to 144 channels and adds its input at the end.
    assert counted["expand_3"].live_bytes == 1536 + 9216
    assert counted["depthwise_3"].live_bytes == 9216 + 9216 + 1536
    assert counted["project_3"].live_bytes == 9216 + 1536 + 1536
    assert counted["add_3"].live_bytes == 3 * 1536
    assert counted["expand_4"].live_bytes == 1536 + 9216


def test_a_depthwise_separable_convolution_against_a_full_one():
    """3x3 over 32x32x32 to 64 channels: 18,496 parameters become 320 + 2,112; cost ratio 1/N + 1/9."""
    read, written = (32, 32, 32), (32, 32, 64)
    full = layer_cost(Convolution("full", 64, 3, 1, "relu6"), read, written)
    depthwise = layer_cost(DepthwiseConvolution("depthwise", 3, 1, "relu6"), read, read)
    pointwise = layer_cost(Convolution("pointwise", 64, 1, 1, "relu6"), read, written)
    assert (full.parameters, depthwise.parameters, pointwise.parameters) == (18_496, 320, 2_112)
    assert (depthwise.macs + pointwise.macs) / full.macs == pytest.approx(1 / 64 + 1 / 9)


def test_the_demo_network():
    counted = cost(describe("mobilenet_v1", 48, 3, 10))
    assert (counted.macs, counted.parameters, counted.weight_bytes) == (855_488, 20_010, 21_720)
    assert counted.peak_activation_bytes == 13_824


def test_weight_bytes_are_int8_weights_and_int32_biases():
    counted = cost(Architecture("dense", 4, 1, (Convolution("c", 2, 3, 2, "relu6"),)))
    assert counted.weight_bytes == 18 + 4 * 2


def test_odd_sides_round_up():
    shapes = [written for _, _, written in walk(mobilenet_v1(47, 3, 10, 0.25))]
    assert shapes[0] == (24, 24, 8)
    assert shapes[-4] == (2, 2, 256)


def test_a_dense_layer():
    dense = layer_cost(Dense("logits", 10), (64,), (10,))
    assert (dense.macs, dense.weights, dense.biases, dense.live_bytes) == (640, 640, 10, 74)
