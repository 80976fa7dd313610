"""MobileNet V1 and V2 as Keras builds and TensorFlow converts them: every layer against TFLM."""

import numpy as np
import pytest
from graph.agreement import assert_equal_layers, distinct_rows

from edgekit.graph.executor import execute
from edgekit.graph.tflite import read_tflite

# Leads to an odd 5x5 map, where stock V1 pads with an operator of its own.
SIDE = 80
OPCODES = {
    "MobileNet": {"CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "PAD", "RESHAPE", "SOFTMAX"},
    "MobileNetV2": {"ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN", "SOFTMAX"},
}


def pictures(count: int) -> np.ndarray:
    """uint8 pictures (count, SIDE, SIDE, 3) of random smooth gradients with noise."""
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (count, 8, 8, 3))
    smooth = coarse.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)
    return np.clip(smooth + generator.integers(-30, 31, smooth.shape), 0, 255).astype(np.uint8)


def with_plausible_statistics(model, images):
    """Gives every BatchNorm the statistics of real activations, and an untrained network lively outputs.

    With Keras' initial statistics the activations of an untrained network fade to a constant output,
    and comparing constants proves nothing.
    """
    generator = np.random.default_rng(6)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0
            layer.gamma.assign(generator.uniform(0.6, 1.4, layer.gamma.shape))
            layer.beta.assign(generator.normal(0.2, 0.4, layer.beta.shape))
    model(images / np.float32(128) - np.float32(1), training=True)
    head = next(layer for layer in reversed(model.layers) if layer.get_weights())
    head.set_weights([weights * 6 for weights in head.get_weights()])
    return model


@pytest.mark.slow
@pytest.mark.parametrize(("name", "alpha"), [("MobileNet", 0.25), ("MobileNetV2", 0.35)])
def test_stock_mobilenet(name, alpha):
    keras = pytest.importorskip("keras", reason="needs TensorFlow, the extra edgekit[train]")
    pytest.importorskip("tensorflow", reason="needs TensorFlow, the extra edgekit[train]")
    from edgekit.quantization import quantize

    keras.utils.set_random_seed(3)
    build = getattr(keras.applications, name)
    network = build(input_shape=(SIDE, SIDE, 3), alpha=alpha, weights=None, classes=10)
    images = pictures(32)
    model = quantize(with_plausible_statistics(network, images), images[:16])
    graph = read_tflite(model, name)
    assert {op.opcode for op in graph.ops} == OPCODES[name]

    inputs = [(images.astype(np.int16) - 128).astype(np.int8)]
    assert_equal_layers(model, graph, inputs)
    (outputs,) = execute(graph, inputs)
    assert distinct_rows(outputs) > 8
