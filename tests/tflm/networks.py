"""A network with every operator, small and lively: its outputs differ from input to input."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from graph.tflite_builder import ModelBuilder, Quantized

_RNG_SEED = 7


class _Network:
    """Adds layers one after the other; ``last`` is the tensor that the next one reads."""

    def __init__(self) -> None:
        self.builder = ModelBuilder()
        self.random = np.random.default_rng(_RNG_SEED)
        self.shape: tuple[int, ...] = (1, 11, 11, 3)
        self.quantized = Quantized(1 / 64, -3)
        self.source = self.last = self.builder.activation("image", self.shape, self.quantized)

    def layer(self, opcode, inputs, shape, options=None, quantized=None):
        self.shape, self.quantized = shape, quantized or self.quantized
        output = self.builder.activation(f"{opcode.lower()}_{len(shape)}", shape, self.quantized)
        self.builder.operator(opcode, [self.last, *inputs], output, options)
        self.last = output

    def weights(self, shape, axis):
        channels = shape[axis]
        scales = [0.004 + 0.0005 * channel for channel in range(channels)]
        values = self.random.integers(-127, 128, shape).astype(np.int8)
        bias = self.random.integers(-900, 900, channels).astype(np.int32)
        bias_scales = [float(np.float32(self.quantized.scale) * np.float32(scale)) for scale in scales]
        return [
            self.builder.constant("weights", values, scales, axis),
            self.builder.constant("bias", bias, bias_scales),
        ]

    def integers(self, values):
        return self.builder.constant("numbers", np.array(values, dtype=np.int32))


def _convolution(padding, stride, *, depthwise=False):
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding = getattr(schema.Padding, padding)
    options.strideH = options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = 1
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    if depthwise:
        options.depthMultiplier = 1
    return options


def _pool(size):
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH = options.strideW = 1
    options.filterHeight = options.filterWidth = size
    return options


def every_operator() -> bytes:
    """PAD, three convolutions, a residual ADD, both pools, MEAN, RESHAPE, a dense layer, SOFTMAX."""
    net = _Network()
    net.layer("PAD", [net.integers([(0, 0), (0, 1), (0, 1), (0, 0)])], (1, 12, 12, 3), schema.PadOptionsT())
    net.layer(
        "CONV_2D", net.weights((8, 3, 3, 3), 0), (1, 6, 6, 8), _convolution("SAME", 2), Quantized(0.05, -128)
    )
    residual = net.last
    net.layer(
        "DEPTHWISE_CONV_2D",
        net.weights((1, 3, 3, 8), 3),
        (1, 6, 6, 8),
        _convolution("SAME", 1, depthwise=True),
        Quantized(0.03, -128),
    )
    net.layer(
        "CONV_2D", net.weights((8, 1, 1, 8), 0), (1, 6, 6, 8), _convolution("SAME", 1), Quantized(0.02, -128)
    )
    net.layer("ADD", [residual], (1, 6, 6, 8), schema.AddOptionsT(), Quantized(0.06, -120))
    net.layer("MAX_POOL_2D", [], (1, 5, 5, 8), _pool(2))
    net.layer("AVERAGE_POOL_2D", [], (1, 4, 4, 8), _pool(2))
    net.layer("MEAN", [net.integers([1, 2])], (1, 1, 1, 8), _kept(), Quantized(0.05, -118))
    reshaped = schema.ReshapeOptionsT()
    reshaped.newShape = [1, 8]
    net.layer("RESHAPE", [net.integers([1, 8])], (1, 8), reshaped)
    net.layer("FULLY_CONNECTED", _dense(net), (1, 5), schema.FullyConnectedOptionsT(), Quantized(0.02, 9))
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    net.layer("SOFTMAX", [], (1, 5), softmax, Quantized(1 / 256, -128))
    return net.builder.build([net.source], [net.last])


def _kept():
    options = schema.ReducerOptionsT()
    options.keepDims = True
    return options


def _dense(net):
    values = net.random.integers(-127, 128, (5, 8)).astype(np.int8)
    scale = float(np.float32(net.quantized.scale) * np.float32(0.01))
    return [
        net.builder.constant("weights", values, [0.01]),
        net.builder.constant("bias", np.arange(-2, 3, dtype=np.int32) * 40, [scale]),
    ]
