"""A MobileNet of a few kilobytes, with weights from a seed: every byte of its output depends on its input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from graph.tflite_builder import ModelBuilder, Quantized

_RELU6 = Quantized(6 / 255, -128)


def small_mobilenet(
    side: int = 16,
    channels: int = 3,
    blocks: Sequence[tuple[int, int]] = ((8, 2), (16, 1), (24, 2), (32, 1)),
    classes: int = 10,
    seed: int = 1,
) -> bytes:
    """A ``.tflite``: ``side`` x ``side`` x ``channels`` to ``classes`` probabilities.

    The first of ``blocks`` (filters, stride) is a convolution, the others are depthwise separable; then come
    MEAN, FULLY_CONNECTED and SOFTMAX, as in MobileNet V1.
    """
    network = _Network(seed, side, channels)
    for number, (filters, stride) in enumerate(blocks):
        if number == 0:
            network.convolution(f"conv{number}", filters, 3, stride)
        else:
            network.depthwise(f"depthwise{number}", stride)
            network.convolution(f"pointwise{number}", filters, 1, 1)
    network.classifier(classes)
    return network.builder.build([0], [network.last])


class _Network:
    """A network that grows at its end, ``last``."""

    def __init__(self, seed: int, side: int, channels: int) -> None:
        self.builder = ModelBuilder()
        self._random = np.random.default_rng(seed)
        self._quantized = Quantized(1 / 128, 0)
        self._side, self._channels = side, channels
        self.last = self.builder.activation("image", (1, side, side, channels), self._quantized)

    def convolution(self, name: str, filters: int, size: int, stride: int) -> None:
        options = schema.Conv2DOptionsT()
        shape = (filters, size, size, self._channels)
        weights, scales, bias = self._constants(shape, fan_in=size * size * self._channels, outputs=filters)
        inputs = [self.last, *self._add(name, weights, scales, bias, axis=0)]
        self._windowed("CONV_2D", options, name, inputs, stride, filters)

    def depthwise(self, name: str, stride: int) -> None:
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        shape = (1, 3, 3, self._channels)
        weights, scales, bias = self._constants(shape, fan_in=9, outputs=self._channels)
        inputs = [self.last, *self._add(name, weights, scales, bias, axis=3)]
        self._windowed("DEPTHWISE_CONV_2D", options, name, inputs, stride, self._channels)

    def classifier(self, classes: int) -> None:
        reducer = schema.ReducerOptionsT()
        axes = self.builder.constant("axes", np.array([1, 2], np.int32))
        mean = self.builder.activation("mean", (1, self._channels), _RELU6)
        self.builder.operator("MEAN", [self.last, axes], mean, reducer)
        self.last, self._quantized = mean, _RELU6
        weights, scales, bias = self._constants((classes, self._channels), 2 * self._channels, classes)
        inputs = [mean, *self._add("logits", weights, scales[:1], bias, axis=0)]
        logits = self.builder.activation("logits", (1, classes), Quantized(0.06, 4))
        self.builder.operator("FULLY_CONNECTED", inputs, logits, schema.FullyConnectedOptionsT())
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self.last = self.builder.activation("probabilities", (1, classes), Quantized(1 / 256, -128))
        self.builder.operator("SOFTMAX", [logits], self.last, options)

    def _windowed(
        self, opcode: str, options: object, name: str, inputs: list[int], stride: int, filters: int
    ) -> None:
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.padding = schema.Padding.SAME
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
        self._side, self._channels, self._quantized = -(-self._side // stride), filters, _RELU6
        shape = (1, self._side, self._side, filters)
        self.last = self.builder.activation(f"{name}/Relu6", shape, _RELU6)
        self.builder.operator(opcode, inputs, self.last, options)

    def _constants(self, shape: tuple[int, ...], fan_in: int, outputs: int):
        """Weights, their scales and biases that keep activations within reach of RELU6."""
        weights = self._random.integers(-127, 128, shape, dtype=np.int8)
        gain = self._random.uniform(1.2, 1.8, outputs)
        scales = [float(value) for value in np.float32(gain / (73 * np.sqrt(fan_in)))]
        real = self._random.normal(0.5, 0.5, outputs)
        bias = np.array(real / (self._quantized.scale * np.array(scales)), np.int32)
        return weights, scales, bias

    def _add(self, name: str, weights, scales: list[float], bias, axis: int) -> list[int]:
        filters = self.builder.constant(f"{name}/weights", weights, scales, axis)
        bias_scales = [float(np.float32(self._quantized.scale) * np.float32(scale)) for scale in scales]
        return [filters, self.builder.constant(f"{name}/bias", bias, bias_scales)]
