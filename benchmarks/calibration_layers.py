"""Layers of all kinds and many sizes, for measuring what kernels cost. Small ones, so that ends of rows,
borders and set-up count as they do in small networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod, sqrt
from random import Random
from typing import Any, TypeAlias

import numpy as np

from edgekit.graph import arithmetic
from edgekit.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    Int8Array,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Requantization,
    Softmax,
    Tensor,
    Window,
)

Shape: TypeAlias = tuple[int, ...]

WHOLE_MEANS = "means"
"""Of these layers' means each is to run as a whole; elsewhere they take up rows one by one."""

_POINT = (1, 1)
_MOST_PRODUCTS = 120_000
_WEIGHT_SIGMA = 30.0
_OUTPUT_SIGMA = 50.0
_INPUT_SIGMA = 74.0  # of uniform noise
_LARGEST_INPUT_BYTES = 6_000


class LayerMaker:
    """Makes operators, each with inputs of its own: all inputs of the graph."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 (the same layers every time)
        self._numbers = np.random.default_rng(seed)
        self._tensors: dict[int, Tensor] = {}
        self._ops: list[Op] = []
        self._inputs: list[int] = []

    def graph(self, name: str) -> Graph:
        """What was made so far."""
        outputs = (self._ops[-1].output,)
        return Graph(name, "c0" * 32, dict(self._tensors), tuple(self._ops), tuple(self._inputs), outputs)

    def convolutions(
        self, count: int, windows: list[tuple[int, int]], most_products: int = _MOST_PRODUCTS
    ) -> None:
        """CONV_2D of those windows, less those that multiply more often."""
        choose = self._random.choice
        for _ in range(count):
            height, width = choose(windows)
            stride = choose((1, 1, 2)) if (height, width) != _POINT else 1
            is_same = choose((True, True, False)) and (height, width) != _POINT
            channels = choose((1, 3, 4, 8, 8, 16, 16, 24, 32, 48, 64, 96, 128))
            filters = choose((2, 4, 8, 8, 12, 16, 24, 32, 32, 64, 64, 128))
            columns = choose((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 48))
            rows = choose((1, 2, 3, 5))
            products = rows * columns * height * width * channels * filters
            window = _window(height, width, stride, is_same)
            shape = _input_shape(rows, columns, channels, window)
            if products > most_products or prod(shape) > _LARGEST_INPUT_BYTES:
                continue
            self._convolution(shape, (1, rows, columns, filters), window)

    def append_convolution(self, shape: Shape, window: Window) -> None:
        """CONV_2D of what was made last, as many channels from as many."""
        self._convolution(shape, shape, window, self._ops[-1].output if self._ops else None)

    def depthwise(self, count: int, windows: list[tuple[int, int]]) -> None:
        """DEPTHWISE_CONV_2D of those windows."""
        choose = self._random.choice
        for _ in range(count):
            height, width = choose(windows)
            stride = choose((1, 1, 2))
            channels = choose((4, 8, 12, 16, 24, 32, 48, 64, 96, 128))
            columns = choose((2, 3, 4, 5, 6, 8, 9, 12, 16, 24, 48))
            rows = choose((1, 2, 3, 5))
            window = _window(height, width, stride, is_same=choose((True, True, False)))
            shape = _input_shape(rows, columns, channels, window)
            if prod(shape) > _LARGEST_INPUT_BYTES:
                continue
            self._depthwise(shape, (1, rows, columns, channels), window)

    def fully_connected(self, count: int) -> None:
        """FULLY_CONNECTED."""
        choose = self._random.choice
        for _ in range(count):
            depth, filters = choose((8, 16, 33, 64, 100, 128, 256, 640)), choose((2, 3, 8, 10, 32, 64, 128))
            if depth * filters <= _MOST_PRODUCTS:
                self._fully_connected(depth, filters)

    def additions(self, count: int) -> None:
        """ADD of an image with itself."""
        for _ in range(count):
            shape = self._image()
            self._add(
                shape,
                shape,
                lambda index, source, target: Add(
                    index,
                    (source, source),
                    target,
                    left_shift=20,
                    input_zero_points=(3, 3),
                    input_requantizations=(_factor([0.5]), _factor([0.43])),
                    output_zero_point=-10,
                    output_requantization=_factor([1.1 / 2**20]),
                    activation_min=-128,
                    activation_max=127,
                ),
            )

    def pools(self, count: int) -> None:
        """AVERAGE_POOL_2D, MAX_POOL_2D and MEAN, some over the whole image."""
        choose = self._random.choice
        for number in range(count):
            _, height, width, channels = shape = self._image(least=3)
            if number % 3 == 2:
                self._mean(shape)
                continue
            size = choose(((2, 2), (3, 3), (height, width)))
            stride = 1 if size == (height, width) else choose((1, 2))
            window = Window(*size, stride, stride, 1, 1, 0, 0, 0, 0)
            target_shape = (1, (height - size[0]) // stride + 1, (width - size[1]) // stride + 1, channels)
            self._pool(AveragePool2D if number % 3 else MaxPool2D, shape, target_shape, window)

    def means(self, count: int) -> None:
        """MEAN."""
        for _ in range(count):
            self._mean(self._image(least=2))

    def others(self, count: int) -> None:
        """PAD and SOFTMAX."""
        multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.1)
        for number in range(count):
            if number % 2:
                depth = self._random.choice((2, 3, 4, 10, 12, 20, 100))
                self._add(
                    (1, depth),
                    (1, depth),
                    lambda index, source, target: Softmax(
                        index, (source,), target, multiplier, left_shift, diff_min
                    ),
                )
            else:
                _, height, width, channels = shape = self._image()
                self._add(
                    shape,
                    (1, height + 1, width + 2, channels),
                    lambda index, source, target: Pad(
                        index, (source,), target, before=(0, 0, 1, 0), after=(0, 1, 1, 0), value=3
                    ),
                )

    def _convolution(
        self, shape: Shape, output_shape: Shape, window: Window, source: int | None = None
    ) -> None:
        weights = self._weights((output_shape[3], window.height, window.width, shape[3]))
        stage = self._stage(weights, 0)
        self._add(
            shape,
            output_shape,
            lambda index, source, target: Conv2D(
                index, (source,), target, filter=weights, window=window, **stage
            ),
            source,
        )

    def _depthwise(self, shape: Shape, output_shape: Shape, window: Window) -> None:
        weights = self._weights((1, window.height, window.width, shape[3]))
        stage = self._stage(weights, 3)
        self._add(
            shape,
            output_shape,
            lambda index, source, target: DepthwiseConv2D(
                index, (source,), target, filter=weights, window=window, depth_multiplier=1, **stage
            ),
        )

    def _fully_connected(self, depth: int, filters: int) -> None:
        weights = self._weights((filters, depth))
        stage = self._stage(weights, 0)
        self._add(
            (1, depth),
            (1, filters),
            lambda index, source, target: FullyConnected(
                index, (source,), target, filter=weights, filter_zero_point=0, **stage
            ),
        )

    def _mean(self, shape: Shape) -> None:
        factor = _factor([1 / (shape[1] * shape[2])])
        self._add(
            shape,
            (1, 1, 1, shape[3]),
            lambda index, source, target: Mean(
                index,
                (source,),
                target,
                input_zero_point=3,
                output_zero_point=-5,
                requantization=factor,
            ),
        )

    def _pool(
        self, kind: type[AveragePool2D | MaxPool2D], shape: Shape, output_shape: Shape, window: Window
    ) -> None:
        self._add(
            shape,
            output_shape,
            lambda index, source, target: kind(
                index, (source,), target, window=window, activation_min=-128, activation_max=127
            ),
        )

    def _image(self, least: int = 1) -> Shape:
        choose = self._random.choice
        while True:
            height, width = choose((1, 2, 3, 5, 8)), choose((1, 2, 3, 5, 8, 12))
            channels = choose((3, 4, 8, 10, 16, 32, 64, 128, 256))
            shape = (1, height, width, channels)
            if prod(shape) <= _LARGEST_INPUT_BYTES and min(height, width) >= least:
                return shape

    def _weights(self, shape: Shape) -> Int8Array:
        return np.clip(np.rint(self._numbers.normal(0, _WEIGHT_SIGMA, shape)), -127, 127).astype(np.int8)

    def _stage(self, weights: Int8Array, channel_axis: int) -> dict[str, Any]:
        """Three of four behind a ReLU, the others with a zero point in the middle."""
        channels = weights.shape[channel_axis]
        spread = round(sqrt(weights.size / channels) * _WEIGHT_SIGMA * _INPUT_SIGMA)
        factors = [_OUTPUT_SIGMA / spread * self._numbers.uniform(0.6, 1.2) for _ in range(channels)]
        return {
            "bias": self._numbers.integers(-spread, spread, channels).astype(np.int32),
            "input_zero_point": self._random.choice((-128, -1)),
            "output_zero_point": self._random.choice((-128, -128, -128, 4)),
            "requantization": _factor(factors),
            "activation_min": -128,
            "activation_max": 127,
        }

    def _add(
        self,
        input_shape: Shape,
        output_shape: Shape,
        make: Callable[[int, int, int], Op],
        source: int | None = None,
    ) -> None:
        """Adds what ``make`` makes of its number, its input (None: a new one of the graph) and its output."""
        if source is None:
            source = self._new_tensor(input_shape)
            self._inputs.append(source)
        self._ops.append(make(len(self._ops), source, self._new_tensor(output_shape)))

    def _new_tensor(self, shape: Shape) -> int:
        index = len(self._tensors)
        self._tensors[index] = Tensor(index, "", shape, 0.1, 0)
        return index


def calibration_graphs(seed: int = 0) -> Iterator[Graph]:
    """Networks of layers of every kind; each fits the emulated boards."""
    usual, large = [(3, 3), (3, 3), (5, 5), (10, 4), (1, 3), (3, 1)], [(5, 5), (3, 5), (1, 3), (7, 7)]
    makers: list[tuple[str, Callable[[LayerMaker], None]]] = [
        ("pixels", lambda maker: maker.convolutions(90, [_POINT])),
        ("windows", lambda maker: maker.convolutions(130, usual)),
        ("more_windows", lambda maker: maker.convolutions(130, usual)),
        ("large_windows", lambda maker: maker.convolutions(90, [(3, 3)], 4 * _MOST_PRODUCTS)),
        ("depthwise", lambda maker: maker.depthwise(60, [(3, 3)])),
        ("depthwise_large", lambda maker: maker.depthwise(40, large)),
        ("others", _others),
        (WHOLE_MEANS, lambda maker: maker.means(12)),
    ]
    for number, (name, make) in enumerate(makers):
        maker = LayerMaker(seed + number)
        make(maker)
        yield maker.graph(name)


def chain(depth: int) -> Graph:
    """So many 3x3 convolutions one after the other, of rows of two pixels: little time goes into them."""
    maker = LayerMaker(depth)
    shape = (1, 24, 2, 2)
    for _ in range(depth):
        maker.append_convolution(shape, _window(3, 3, 1, is_same=True))
    return maker.graph("chain")


def _others(maker: LayerMaker) -> None:
    maker.fully_connected(24)
    maker.additions(10)
    maker.pools(30)
    maker.others(16)


def _window(height: int, width: int, stride: int, is_same: bool) -> Window:
    rows, columns = (height - 1, width - 1) if is_same else (0, 0)
    top, left = rows // 2, columns // 2
    return Window(height, width, stride, stride, 1, 1, top, rows - top, left, columns - left)


def _input_shape(rows: int, columns: int, channels: int, window: Window) -> Shape:
    """Of the image from which the window makes so many rows and columns."""
    height = (rows - 1) * window.stride_height + window.height - window.pad_top - window.pad_bottom
    width = (columns - 1) * window.stride_width + window.width - window.pad_left - window.pad_right
    return (1, height, width, channels)


def _factor(reals: list[float]) -> Requantization:
    multipliers, shifts = zip(*(arithmetic.quantize_multiplier(real) for real in reals), strict=True)
    return Requantization(np.array(multipliers, np.int32), np.array(shifts, np.int32))
