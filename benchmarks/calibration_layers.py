"""Layers of all kinds and many sizes, for measuring what kernels cost. Small ones, so that ends of rows,
borders and set-up count as they do in small networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod, sqrt
from random import Random
from typing import Any, TypeAlias
from zlib import crc32

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
Size: TypeAlias = tuple[int, int]

WHOLE_MEANS = "whole means"
"""Of these layers' means each is to run as a whole; elsewhere they take up rows one by one."""

_POINT, _SQUARE = (1, 1), (3, 3)
_WINDOWS = ((5, 5), (3, 5), (1, 3), (3, 1), (7, 7), (2, 2), (10, 4))
_FIRST = (_SQUARE, _SQUARE, (5, 5), (10, 4))
_DILATIONS = ((2, 2), (1, 2), (2, 1))
_CHANNELS = (1, 3, 4, 5, 8, 8, 12, 16, 16, 24, 30, 32, 48, 64, 96, 128)
_FILTERS = (2, 4, 7, 8, 8, 12, 16, 24, 32, 32, 64, 64, 128)
_COLUMNS = (2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 48)
_ROWS = (1, 2, 3, 5)
_TRIES = 160
_MOST_PRODUCTS = 120_000
_WEIGHT_SIGMA = 30.0
_OUTPUT_SIGMA = 50.0
_INPUT_SIGMA = 74.0  # of uniform noise
_LARGEST_IMAGE_BYTES = 6_000


class LayerMaker:
    """Makes operators, each with an input of its own, which is one of the graph; if ``is_chain`` each but the
    first reads what was made last.
    """

    def __init__(self, seed: int, *, is_chain: bool = False) -> None:
        self._is_chain = is_chain
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
        self,
        count: int,
        windows: Sequence[Size],
        channels: Sequence[int] = _CHANNELS,
        strides: Sequence[int] = (1, 1, 2),
        dilations: Sequence[Size] = (_POINT,),
        filters: Sequence[int] = _FILTERS,
        most_products: int = _MOST_PRODUCTS,
    ) -> None:
        """CONV_2D, each of a choice of all that is named, less those that multiply more often."""
        choose = self._random.choice
        for _ in range(count):
            window = self._window(windows, strides, dilations)
            depth, outputs = choose(channels), choose(filters)
            rows, columns = choose(_ROWS), choose((1, *_COLUMNS))
            shape = _input_shape(rows, columns, depth, window)
            products = rows * columns * window.height * window.width * depth * outputs
            if products <= most_products and _is_small(shape):
                self.convolution(shape, window, outputs)

    def depthwise(
        self,
        count: int,
        windows: Sequence[Size],
        channels: Sequence[int] = _CHANNELS,
        dilations: Sequence[Size] = (_POINT,),
        multipliers: Sequence[int] = (1,),
    ) -> None:
        """DEPTHWISE_CONV_2D, each of a choice of all that is named."""
        choose = self._random.choice
        for _ in range(count):
            window = self._window(windows, (1, 1, 2), dilations)
            depth, multiplier = choose(channels), choose(multipliers)
            rows, columns = choose(_ROWS), choose(_COLUMNS)
            shape = _input_shape(rows, columns, depth, window)
            if _is_small(shape) and _is_small((1, rows, columns, depth * multiplier)):
                self._depthwise(shape, window, multiplier)

    def fully_connected(self, count: int) -> None:
        """FULLY_CONNECTED, of a row or of several."""
        choose = self._random.choice
        for _ in range(count):
            depth = choose((3, 8, 16, 33, 64, 100, 128, 256, 640))
            filters, rows = choose((1, 2, 3, 8, 10, 32, 64, 128)), choose((1, 1, 1, 4))
            if depth * filters <= _MOST_PRODUCTS:
                self._fully_connected(rows, depth, filters)

    def additions(self, count: int) -> None:
        """ADD of an image with itself."""
        for _ in range(count):
            self._addition(self._image())

    def pools(self, count: int, kind: type[AveragePool2D | MaxPool2D]) -> None:
        """Pools of that ``kind``: some padded, some of the whole image, some clipped."""
        choose = self._random.choice
        for _ in range(count):
            shape = self._image(least=3)
            window = self._window((_SQUARE, (2, 2), (3, 2), (5, 5)), (1, 2), (_POINT,))
            if choose((True, False, False)):
                window = _window(shape[1], shape[2], 1, is_same=False)
            if min(_output_shape(shape, window, shape[3])) > 0:
                self._pool(kind, shape, window, choose((-128, -128, -20)))

    def means(self, count: int) -> None:
        """MEAN."""
        for _ in range(count):
            self._mean(self._image(least=2))

    def pads(self, count: int) -> None:
        """PAD, of channels, too."""
        choose = self._random.choice
        for _ in range(count):
            shape = self._image()
            before, after = (
                (0, choose((0, 1, 2)), choose((0, 1, 3)), choose((0, 0, 0, 4))) for _ in range(2)
            )
            padded = tuple(sum(extents) for extents in zip(before, shape, after, strict=True))
            self._pad(shape, padded, before, after)

    def softmaxes(self, count: int) -> None:
        """SOFTMAX of as many classes as networks tell apart, and of scales from sure to unsure."""
        choose = self._random.choice
        for _ in range(count):
            depth, rows = choose((2, 3, 4, 10, 12, 20, 100, 1000)), choose((1, 1, 5))
            scaling = arithmetic.softmax_input_scaling(1.0, choose((0.02, 0.1, 0.2)))
            self._softmax((rows, depth), *scaling)

    def network(self) -> None:
        """A chain of layers as networks have them, from a picture to classes."""
        choose = self._random.choice
        side = choose((12, 15, 20, 24))
        shape: Shape = (1, side, side, choose((1, 3)))
        shape = self.convolution(shape, self._window(_FIRST, (1, 2), (_POINT,)), choose((8, 12, 16)))
        for _ in range(choose((3, 4, 5))):
            shape = self._block(shape)
        if choose((True, False)):
            shape = self._mean(shape)
        else:
            window = _window(shape[1], shape[2], 1, is_same=False)
            shape = self._pool(AveragePool2D, shape, window, -128)
        classes = choose((2, 10, 12))
        self._fully_connected(1, prod(shape), classes)
        self._softmax((1, classes), *arithmetic.softmax_input_scaling(1.0, 0.1))

    def _block(self, shape: Shape) -> Shape:
        """One or a few layers that belong together."""
        choose, channels = self._random.choice, shape[3]
        stride = choose((1, 1, 2)) if shape[1] > 6 else 1
        kind = choose(("separable", "separable", "residual", "window", "pool", "dilated"))
        size, filters = choose((_SQUARE, _SQUARE, (5, 5))), choose((channels, 16, 24, 32, 48))
        if kind == "separable":
            shape = self._depthwise(shape, _window(*size, stride, is_same=True), 1)
            return self.convolution(shape, _window(1, 1, 1, is_same=True), filters)
        if kind == "residual":
            skipped = self._ops[-1].output
            self.convolution(shape, _window(*_SQUARE, 1, is_same=True), channels)
            return self._addition(shape, skipped)
        if kind == "pool":
            pool = choose((AveragePool2D, MaxPool2D))
            return self._pool(pool, shape, _window(2, 2, stride, is_same=stride == 1), -128)
        dilation = (2, 2) if kind == "dilated" else _POINT
        return self.convolution(shape, _window(*_SQUARE, 1, is_same=True, dilation=dilation), filters)

    def _addition(self, shape: Shape, other: int | None = None) -> Shape:
        """Of an image with the tensor ``other``, or with itself."""
        activation_max = self._random.choice((127, 127, 90))
        return self._add(
            shape,
            shape,
            lambda index, source, target: Add(
                index,
                (source, source if other is None else other),
                target,
                left_shift=20,
                input_zero_points=(3, 3),
                input_requantizations=(_factor([0.5]), _factor([0.43])),
                output_zero_point=-10,
                output_requantization=_factor([1.1 / 2**20]),
                activation_min=-128,
                activation_max=activation_max,
            ),
        )

    def _pad(self, shape: Shape, padded: Shape, before: Shape, after: Shape) -> None:
        self._add(
            shape, padded, lambda index, source, target: Pad(index, (source,), target, before, after, value=3)
        )

    def _softmax(self, shape: Shape, multiplier: int, left_shift: int, diff_min: int) -> None:
        self._add(
            shape,
            shape,
            lambda index, source, target: Softmax(index, (source,), target, multiplier, left_shift, diff_min),
        )

    def _window(self, sizes: Sequence[Size], strides: Sequence[int], dilations: Sequence[Size]) -> Window:
        """Two of three with the padding SAME."""
        choose = self._random.choice
        return _window(*choose(sizes), choose(strides), choose((True, True, False)), choose(dilations))

    def convolution(self, shape: Shape, window: Window, filters: int) -> Shape:
        """CONV_2D of an image of that ``shape``. Returns that of its output."""
        weights = self._weights((filters, window.height, window.width, shape[3]))
        stage = self._stage(weights, 0)
        return self._add(
            shape,
            _output_shape(shape, window, filters),
            lambda index, source, target: Conv2D(
                index, (source,), target, filter=weights, window=window, **stage
            ),
        )

    def _depthwise(self, shape: Shape, window: Window, multiplier: int) -> Shape:
        filters = shape[3] * multiplier
        weights = self._weights((1, window.height, window.width, filters))
        stage = self._stage(weights, 3)
        return self._add(
            shape,
            _output_shape(shape, window, filters),
            lambda index, source, target: DepthwiseConv2D(
                index, (source,), target, filter=weights, window=window, depth_multiplier=multiplier, **stage
            ),
        )

    def _fully_connected(self, rows: int, depth: int, filters: int) -> None:
        weights = self._weights((filters, depth))
        stage = self._stage(weights, 0)
        self._add(
            (rows, depth),
            (rows, filters),
            lambda index, source, target: FullyConnected(
                index, (source,), target, filter=weights, filter_zero_point=0, **stage
            ),
        )

    def _mean(self, shape: Shape) -> Shape:
        factor = _factor([1 / (shape[1] * shape[2])])
        return self._add(
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
        self,
        kind: type[AveragePool2D | MaxPool2D],
        shape: Shape,
        window: Window,
        activation_min: int,
    ) -> Shape:
        return self._add(
            shape,
            _output_shape(shape, window, shape[3]),
            lambda index, source, target: kind(
                index, (source,), target, window=window, activation_min=activation_min, activation_max=127
            ),
        )

    def _image(self, least: int = 1) -> Shape:
        choose = self._random.choice
        while True:
            height, width = choose((1, 2, 3, 5, 8)), choose((1, 2, 3, 5, 8, 12))
            channels = choose((3, 4, 8, 10, 16, 32, 64, 128, 256))
            shape = (1, height, width, channels)
            if _is_small(shape) and min(height, width) >= least:
                return shape

    def _weights(self, shape: Shape) -> Int8Array:
        return np.clip(np.rint(self._numbers.normal(0, _WEIGHT_SIGMA, shape)), -127, 127).astype(np.int8)

    def _stage(self, weights: Int8Array, channel_axis: int) -> dict[str, Any]:
        """Half of them behind a ReLU, the others with a zero point in the middle; some are clipped."""
        channels = weights.shape[channel_axis]
        spread = round(sqrt(weights.size / channels) * _WEIGHT_SIGMA * _INPUT_SIGMA)
        factors = [_OUTPUT_SIGMA / spread * self._numbers.uniform(0.6, 1.2) for _ in range(channels)]
        return {
            "bias": self._numbers.integers(-spread, spread, channels).astype(np.int32),
            "input_zero_point": self._random.choice((-128, -1)),
            "output_zero_point": self._random.choice((-128, 4)),
            "requantization": _factor(factors),
            "activation_min": -128,
            "activation_max": self._random.choice((127, 127, 127, 127, 90)),
        }

    def _add(self, input_shape: Shape, output_shape: Shape, make: Callable[[int, int, int], Op]) -> Shape:
        """Adds what ``make`` makes of its number, its input and its output. Returns the output's shape."""
        if self._is_chain and self._ops:
            source = self._ops[-1].output
        else:
            source = self._new_tensor(input_shape)
            self._inputs.append(source)
        self._ops.append(make(len(self._ops), source, self._new_tensor(output_shape)))
        return output_shape

    def _new_tensor(self, shape: Shape) -> int:
        index = len(self._tensors)
        self._tensors[index] = Tensor(index, "", shape, 0.1, 0)
        return index


_Family: TypeAlias = Callable[[LayerMaker], None]

FAMILIES: Mapping[str, _Family] = {
    "pixels": lambda maker: maker.convolutions(_TRIES, [_POINT], strides=[1]),
    "pixels of eight": lambda maker: maker.convolutions(_TRIES, [_POINT], [8], [1]),
    "deep pixels": lambda maker: maker.convolutions(_TRIES, [_POINT], [160, 192, 256], [1]),
    "strided pixels": lambda maker: maker.convolutions(_TRIES, [_POINT], strides=[2]),
    "squares": lambda maker: maker.convolutions(_TRIES, [_SQUARE]),
    "large squares": lambda maker: maker.convolutions(_TRIES, [_SQUARE], most_products=4 * _MOST_PRODUCTS),
    "windows": lambda maker: maker.convolutions(_TRIES, _WINDOWS),
    "first": lambda maker: maker.convolutions(_TRIES, _FIRST, [1, 1, 3]),
    "dilated": lambda maker: maker.convolutions(_TRIES, [_SQUARE, (1, 3), (5, 5)], dilations=_DILATIONS),
    "one filter": lambda maker: maker.convolutions(_TRIES, [_POINT, _SQUARE], filters=[1]),
    "depthwise": lambda maker: maker.depthwise(_TRIES, [_SQUARE]),
    "depthwise windows": lambda maker: maker.depthwise(_TRIES, _WINDOWS),
    "depthwise multiplied": lambda maker: maker.depthwise(_TRIES, _WINDOWS, multipliers=(2, 3, 4, 8)),
    "depthwise first": lambda maker: maker.depthwise(_TRIES, _WINDOWS, [1], multipliers=(1, 4, 8, 30, 64)),
    "depthwise dilated": lambda maker: maker.depthwise(_TRIES, [_SQUARE, (1, 3)], dilations=_DILATIONS),
    "fully connected": lambda maker: maker.fully_connected(_TRIES),
    "additions": lambda maker: maker.additions(24),
    "averages": lambda maker: maker.pools(_TRIES, AveragePool2D),
    "maxima": lambda maker: maker.pools(_TRIES, MaxPool2D),
    "means": lambda maker: maker.means(_TRIES),
    WHOLE_MEANS: lambda maker: maker.means(_TRIES),
    "pads": lambda maker: maker.pads(_TRIES),
    "softmaxes": lambda maker: maker.softmaxes(_TRIES),
}
"""Makers of the layers of each kind, more than are needed."""


def family(name: str, seed: int = 0) -> Graph:
    """Layers of that kind, each with an input of its own."""
    maker = LayerMaker(crc32(name.encode()) + seed)
    FAMILIES[name](maker)
    return maker.graph(name)


def gathered(layers: Sequence[tuple[Graph, Op]]) -> Graph:
    """A graph of operators of others, each with its own input."""
    tensors: dict[int, Tensor] = {}
    ops: list[Op] = []
    for graph, op in layers:
        source, target = len(tensors), len(tensors) + 1
        for index, old in ((source, op.inputs[0]), (target, op.output)):
            tensors[index] = replace(graph.tensors[old], index=index)
        ops.append(replace(op, index=len(ops), inputs=(source,) * len(op.inputs), output=target))
    inputs = tuple(op.inputs[0] for op in ops)
    return Graph("layers", "c0" * 32, tensors, tuple(ops), inputs, (ops[-1].output,))


def chain(depth: int) -> Graph:
    """So many 3x3 convolutions one after the other, of rows of two pixels: little time goes into them."""
    maker = LayerMaker(depth, is_chain=True)
    for _ in range(depth):
        maker.convolution((1, 24, 2, 2), _window(3, 3, 1, is_same=True), filters=2)
    return maker.graph("chain")


def random_network(seed: int) -> Graph:
    """A network of a few layers, for trying predictions."""
    maker = LayerMaker(seed, is_chain=True)
    maker.network()
    return maker.graph(f"network_{seed}")


def _window(height: int, width: int, stride: int, is_same: bool, dilation: Size = _POINT) -> Window:
    rows, columns = ((height - 1) * dilation[0], (width - 1) * dilation[1]) if is_same else (0, 0)
    top, left = rows // 2, columns // 2
    return Window(height, width, stride, stride, *dilation, top, rows - top, left, columns - left)


def _input_shape(rows: int, columns: int, channels: int, window: Window) -> Shape:
    """Of the image from which the window makes so many rows and columns."""
    height = (rows - 1) * window.stride_height + (window.height - 1) * window.dilation_height + 1
    width = (columns - 1) * window.stride_width + (window.width - 1) * window.dilation_width + 1
    return (
        1,
        height - window.pad_top - window.pad_bottom,
        width - window.pad_left - window.pad_right,
        channels,
    )


def _output_shape(shape: Shape, window: Window, channels: int) -> Shape:
    """Of what the window makes of such an image."""
    height = shape[1] + window.pad_top + window.pad_bottom - (window.height - 1) * window.dilation_height - 1
    width = shape[2] + window.pad_left + window.pad_right - (window.width - 1) * window.dilation_width - 1
    return (1, height // window.stride_height + 1, width // window.stride_width + 1, channels)


def _is_small(shape: Shape) -> bool:
    return prod(shape) <= _LARGEST_IMAGE_BYTES


def _factor(reals: list[float]) -> Requantization:
    multipliers, shifts = zip(*(arithmetic.quantize_multiplier(real) for real in reals), strict=True)
    return Requantization(np.array(multipliers, np.int32), np.array(shifts, np.int32))
