"""Random small networks with channels that can be computed ahead of time, as .tflite files."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from graph.tflite_builder import ACTIVATIONS, ModelBuilder, Quantized, output_size, set_window

Shape = tuple[int, ...]


class RandomNetwork:
    """Adds operators behind each other, all parameters random.

    Many output channels of convolutions are constant, or nearly so: biases of up to 2**31, factors that shift
    everything away, filters of zeros, few values, sums that just saturate.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._forced = float(self._random.uniform(0.05, 0.5))
        self._builder = ModelBuilder()
        self._quantized: dict[int, Quantized] = {}
        self._shapes: dict[int, Shape] = {}
        side = int(self._random.integers(4, 8))
        self._source = self._activation((1, side, side + 1, int(self._random.integers(1, 4))))
        self._images = [self._source]

    def build(self, layers: int) -> bytes:
        """The file of a network of ``layers`` operators on images and some behind them."""
        current = self._source
        choices = [self._convolution, self._depthwise, self._pool, self._add, self._pad]
        usual, behind_pad = [0.35, 0.2, 0.1, 0.15, 0.2], [0.3, 0.3, 0.4, 0.0, 0.0]
        step = 0
        for _ in range(layers):
            step = int(self._random.choice(len(choices), p=behind_pad if step == 4 else usual))
            current = choices[step](current)
            self._images.append(current)
        outputs = [current] if self._chance(0.1) else []
        tail = [self._mean, self._flatten, lambda index: index][int(self._random.integers(3))]
        current = tail(current)
        for _ in range(int(self._random.integers(1, 3))):
            current = self._fully_connected(current)
        if self._chance(0.3):
            current = self._softmax(current)
        return self._builder.build([self._source], [*outputs, current])

    def _chance(self, probability: float) -> bool:
        return bool(self._random.random() < probability)

    def _activation_function(self) -> str:
        return str(self._random.choice(ACTIVATIONS, p=[0.55, 0.2, 0.05, 0.2]))

    def _activation(self, shape: Shape, quantized: Quantized | None = None) -> int:
        if quantized is None:
            zero_point = -128 if self._chance(0.5) else int(self._random.integers(-128, 128))
            quantized = Quantized(float(self._random.uniform(0.02, 0.2)), zero_point)
        index = self._builder.activation(f"tensor {len(self._shapes)}", shape, quantized)
        self._shapes[index], self._quantized[index] = shape, quantized
        return index

    def _filter(self, shape: Shape, axis: int, source: int) -> list[int]:
        """Indices of a random filter and its bias, whose output channels lie on ``axis``."""
        channels = shape[axis]
        weights = np.moveaxis(self._random.integers(-127, 128, shape).astype(np.int8), axis, 0).copy()
        taps = weights[0].size
        bias = self._random.integers(-3000, 3000, channels) * int(np.sqrt(taps))
        # Sums of noise then spread over most of int8.
        scales = self._random.uniform(0.3, 3.0, channels if self._chance(0.7) else 1) * 0.012 / np.sqrt(taps)
        for channel in np.flatnonzero(self._random.random(channels) < self._forced):
            kind = self._random.integers(5)
            if kind == 0:
                bias[channel] = self._random.choice([-(2**30), 2**30, -(2**31), 2**31 - 1])
            elif kind == 1:
                weights[channel] = 0
            elif kind == 2:  # takes few values, perhaps one
                weights[channel] = self._random.random(weights[channel].shape) < 2 / taps
            elif kind == 3:  # just saturates, or just does not
                most = 255 * int(np.abs(weights[channel].astype(int)).sum())
                bias[channel] = self._random.choice([-1, 1]) * most * self._random.uniform(0.4, 1.2)
            elif scales.size > 1:
                scales[channel] = 1e-13
        constants = np.ascontiguousarray(np.moveaxis(weights, 0, axis))
        values = [float(scale) for scale in scales.astype(np.float32)]
        bias_scales = [float(np.float32(self._quantized[source].scale) * np.float32(s)) for s in values]
        return [
            self._builder.constant("filter", constants, values, axis),
            self._builder.constant("bias", bias.astype(np.int32), bias_scales),
        ]

    def _window(self, source: int, options: Any, most: int) -> tuple[tuple[int, int], list[int]]:
        """Sets a random window in ``options`` that fits ``source``: its size, and the output's."""
        _, height, width, _ = self._shapes[source]
        size = tuple(int(self._random.integers(1, most + 1)) for _ in range(2))
        strides = (int(self._random.integers(1, 3)), int(self._random.integers(1, 3)))
        fits = size[0] <= height and size[1] <= width
        padding = "VALID" if fits and self._chance(0.5) else "SAME"
        set_window(options, padding, strides, self._activation_function())
        return size, output_size(self._shapes[source], size, padding, strides, (1, 1))

    def _convolution(self, source: int) -> int:
        options = schema.Conv2DOptionsT()
        size, spatial = self._window(source, options, 3)
        options.dilationHFactor = options.dilationWFactor = 1
        channels = int(self._random.integers(1, 10))
        filter_and_bias = self._filter((channels, *size, self._shapes[source][3]), 0, source)
        output = self._activation((1, *spatial, channels))
        self._builder.operator("CONV_2D", [source, *filter_and_bias], output, options)
        return output

    def _depthwise(self, source: int) -> int:
        options = schema.DepthwiseConv2DOptionsT()
        size, spatial = self._window(source, options, 3)
        options.dilationHFactor = options.dilationWFactor = 1
        options.depthMultiplier = 2 if self._chance(0.2) else 1
        channels = self._shapes[source][3] * options.depthMultiplier
        filter_and_bias = self._filter((1, *size, channels), 3, source)
        output = self._activation((1, *spatial, channels))
        self._builder.operator("DEPTHWISE_CONV_2D", [source, *filter_and_bias], output, options)
        return output

    def _pad(self, source: int) -> int:
        axes = [0, 2, 2, int(self._chance(0.1))]
        paddings = np.array([[self._random.integers(most + 1) for _ in range(2)] for most in axes], np.int32)
        amounts = self._builder.constant("paddings", paddings)
        shape = tuple(int(size) for size in np.array(self._shapes[source]) + paddings.sum(axis=1))
        output = self._activation(shape, self._quantized[source])
        self._builder.operator("PAD", [source, amounts], output, schema.PadOptionsT())
        return output

    def _pool(self, source: int) -> int:
        options = schema.Pool2DOptionsT()
        (options.filterHeight, options.filterWidth), spatial = self._window(source, options, 3)
        output = self._activation((1, *spatial, self._shapes[source][3]), self._quantized[source])
        opcode = "MAX_POOL_2D" if self._chance(0.5) else "AVERAGE_POOL_2D"
        self._builder.operator(opcode, [source], output, options)
        return output

    def _add(self, source: int) -> int:
        """The sum with an earlier image of that shape, or with itself."""
        fitting = [index for index in self._images if self._shapes[index] == self._shapes[source]]
        other = int(self._random.choice(fitting)) if fitting else source
        output = self._activation(self._shapes[source])
        options = schema.AddOptionsT()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, self._activation_function())
        self._builder.operator("ADD", [source, other], output, options)
        return output

    def _mean(self, source: int) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = self._chance(0.5)
        axes = self._builder.constant("axes", np.array([1, 2], dtype=np.int32))
        channels = self._shapes[source][3]
        output = self._activation((1, 1, 1, channels) if options.keepDims else (1, channels))
        self._builder.operator("MEAN", [source, axes], output, options)
        return output

    def _flatten(self, source: int) -> int:
        shape = (1, int(np.prod(self._shapes[source])))
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        target = self._builder.constant("shape", np.array(shape, dtype=np.int32))
        output = self._activation(shape, self._quantized[source])
        self._builder.operator("RESHAPE", [source, target], output, options)
        return output

    def _fully_connected(self, source: int) -> int:
        shape = self._shapes[source]
        depth = int(np.prod(shape)) if self._chance(0.5) else shape[-1]
        channels = int(self._random.integers(2, 9))
        filter_and_bias = self._filter((channels, depth), 0, source)
        rows = int(np.prod(shape)) // depth
        output = self._activation((1, channels) if rows == 1 else (1, rows, channels))
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = getattr(schema.ActivationFunctionType, self._activation_function())
        self._builder.operator("FULLY_CONNECTED", [source, *filter_and_bias], output, options)
        return output

    def _softmax(self, source: int) -> int:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        output = self._activation(self._shapes[source], Quantized(1 / 256, -128))
        self._builder.operator("SOFTMAX", [source], output, options)
        return output
