"""Operators with all the shapes, paddings, zero points and factors that the kernels must get right.

A case is a graph of one operator with random constants and inputs; the same name always gives the same
case. Factors are chosen such that outputs spread over int8, unless a case is about saturation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edgekit.graph import arithmetic
from edgekit.graph.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Mean,
    Op,
    Pad,
    Requantization,
    Softmax,
    Tensor,
    Window,
)

Array = NDArray[Any]
ZERO_POINTS = (0, -128, 127, -1, 83, -37)
FULL_RANGE = (-128, 127)
CLAMPS = (FULL_RANGE, (-128, 0), (-20, 30), (127, 127))


@dataclass(frozen=True)
class Case:
    """``graph`` has one operator; ``inputs`` are its inputs, each with batch size 1."""

    name: str
    graph: Graph
    inputs: tuple[Array, ...]


def all_cases() -> list[Case]:
    return [
        *conv_2d_cases(),
        *depthwise_conv_2d_cases(),
        *fully_connected_cases(),
        *requantization_cases(),
        *add_cases(),
        *pool_2d_cases(),
        *mean_cases(),
        *pad_cases(),
        *softmax_cases(),
    ]


WINDOWS = ((1, 1), (1, 3), (3, 1), (2, 2), (3, 3), (5, 5), (7, 7), (4, 2))
STRIDES = ((1, 1), (2, 2), (1, 2), (3, 1))
# Inputs that are smaller than, as large as and larger than the windows; VALID needs at least the window.
EXTENTS = ((1, 1), (1, 7), (5, 4), (7, 7), (6, 11))
DILATIONS = ((2, 1), (1, 2), (2, 3))


def conv_2d_cases() -> Iterator[Case]:
    channels = cycle(((1, 1), (3, 8), (4, 4), (5, 7), (8, 3), (17, 2), (2, 5)))
    for parameters in _sliding_windows():
        yield _conv_2d(*parameters, *next(channels))
    for extent, window, count in (
        ((2, 2), (1, 1), (257, 257)),
        ((3, 3), (3, 3), (64, 1)),
        ((1, 2), (1, 2), (1, 257)),
    ):
        yield _conv_2d(extent, window, (1, 1), (1, 1), "SAME", *count)


def depthwise_conv_2d_cases() -> Iterator[Case]:
    channels = cycle(((1, 1), (8, 1), (5, 1), (3, 2), (1, 8), (2, 5), (7, 1), (4, 4)))
    for parameters in _sliding_windows():
        yield _depthwise_conv_2d(*parameters, *next(channels))
    for count in ((257, 1), (64, 1), (1, 257), (3, 67)):
        yield _depthwise_conv_2d((3, 3), (3, 3), (1, 1), (1, 1), "SAME", *count)


def fully_connected_cases() -> Iterator[Case]:
    zero_points = cycle(ZERO_POINTS)
    for batches, depth, outputs in product((1, 3), (1, 2, 63, 257), (1, 3, 4, 10, 257)):
        for per_channel in (False, True):
            yield _fully_connected(batches, depth, outputs, per_channel, next(zero_points), 0)
    for filter_zero_point in (-128, -3, 127):
        yield _fully_connected(2, 33, 9, True, next(zero_points), filter_zero_point)


def requantization_cases() -> Iterator[Case]:
    """The double rounding on its own: products of zero weights leave the bias, chosen near ties."""
    for shift in range(-31, 31):
        yield _ties(shift)
    yield _wrapping_sums()


def add_cases() -> Iterator[Case]:
    scales = ((1.0, 1.0, 1.0), (0.02, 0.5, 0.3), (1e-4, 1.0, 1.0), (3.0, 0.7, 0.01), (0.1, 0.1, 8.0))
    zero_points = cycle(product((-128, 0, 127), (-128, 5, 127), (-128, 0, 127)))
    for number, (scale, clamp) in enumerate(product(scales, CLAMPS)):
        yield _add(f"add {number} scales {scale} clamp {clamp}", scale, next(zero_points), clamp)


def short_add_cases() -> Iterator[Case]:
    """Rows that are no multiple of what kernels add at a time."""
    for case, size in zip(add_cases(), (1, 2, 3, 5, 7, 13), strict=False):
        inputs = tuple(values[:, 100:103, 120 : 120 + size].copy() for values in case.inputs)
        shape = inputs[0].shape
        yield Case(f"{case.name}, {size} at a time", _graph(case.graph.ops[0], [shape] * 2, shape), inputs)


def vector_cases() -> Iterator[Case]:
    """Rows and channels around what vectors of 16 bytes and tiles of a few pixels hold."""
    for width, channels, filters in (
        (4, 16, 16), (9, 8, 24), (3, 64, 8), (5, 20, 17), (1, 36, 33), (8, 12, 12), (11, 3, 40), (7, 32, 5),
    ):  # fmt: skip
        yield _conv_2d((2, width), (1, 1), (1, 1), (1, 1), "SAME", channels, filters)
        yield _conv_2d((5, width), (3, 3), (2, 2), (1, 1), "SAME", channels, filters)
        yield _conv_2d((4, width), (3, 1), (1, 1), (2, 1), "SAME", channels, filters)
    yield _conv_2d((12, 9), (10, 4), (2, 2), (1, 1), "SAME", 1, 64)
    for width, channels in ((48, 8), (9, 8), (6, 16), (5, 24), (13, 4), (3, 40), (2, 48), (17, 1), (7, 128)):
        for stride in ((1, 1), (2, 2)):
            yield _depthwise_conv_2d((4, width), (3, 3), stride, (1, 1), "SAME", channels, 1)
            yield _depthwise_conv_2d((5, width), (2, 2), stride, (1, 1), "VALID", channels, 1)
    yield _enlarged()


def _enlarged() -> Case:
    """Factors from 1/4 to 64, ties among them, on small sums: shifts to the left that stay in int32."""
    random = _random("enlarged")
    count = 40
    op = FullyConnected(
        0,
        (0,),
        1,
        filter=random.integers(-1, 2, (count, 3), dtype=np.int8),
        bias=random.integers(-40, 40, count).astype(np.int32),
        input_zero_point=-3,
        filter_zero_point=0,
        output_zero_point=5,
        requantization=_factor((2.0 ** random.integers(-2, 7, count)).tolist()),
        activation_min=-128,
        activation_max=127,
    )
    inputs = (random.integers(-12, 12, (8, 3), dtype=np.int8),)
    return Case("factors that enlarge", _graph(op, [(8, 3)], (8, count)), inputs)


def packed_cases() -> Iterator[Case]:
    """Sums at the limits of what two pixels a word hold, weights that are zero, and ties that are visible."""
    extremes = np.array([127, -128, -127, 0, 126, 1], np.int8)
    for name, choice, share in (
        ("extreme", extremes, 1.0),
        ("few", extremes, 0.1),
        ("no", extremes[3:4], 1.0),
        ("small", np.arange(-3, 4, dtype=np.int8), 0.6),
    ):
        for extent, window, channels in (((2, 9), (1, 1), 37), ((5, 6), (3, 3), 12), ((1, 3), (1, 3), 5)):
            yield _weights_of(name, choice, share, extent, window, channels)
    for width, stride in ((14, (1, 1)), (13, (1, 1)), (14, (2, 2))):
        yield _clamped_at_zero(_depthwise_conv_2d((5, width), (3, 3), stride, (1, 1), "SAME", 37, 1))
    for shift, zero_point, clamp in (
        (-3, -128, FULL_RANGE),
        (-3, 5, FULL_RANGE),
        (-1, -20, (-20, 100)),
        (-6, -1, (-90, 127)),
        (-9, 127, FULL_RANGE),
        (2, 0, FULL_RANGE),
    ):
        yield _visible_ties(shift, zero_point, clamp)


def output_stage_cases() -> Iterator[Case]:
    """Biases near ties through convolutions, and what their clamps and odd numbers of channels meet."""
    stages = cycle(
        ((-128, FULL_RANGE), (5, FULL_RANGE), (-128, (-50, 127)), (-128, (-128, 40)), (20, (20, 127)))
    )
    for shift in range(-31, 1):
        yield _ties_of_convolution(shift, *next(stages))
    for width, channels in ((6, 21), (7, 37), (5, 18), (13, 7), (6, 5), (4, 67)):
        for stride in ((1, 1), (2, 2)):
            yield _depthwise_conv_2d((3, width), (3, 3), stride, (1, 1), "SAME", channels, 1)
            yield _depthwise_conv_2d((3, width), (3, 3), stride, (1, 1), "VALID", channels, 1)
    for depth in (15, 16, 17, 31, 32, 33, 48, 64, 65, 80, 96, 129):
        yield _conv_2d((1, 5), (1, 1), (1, 1), (1, 1), "SAME", depth, 6)
    for extents in ((1, 1), (2, 3), (2, 4), (3, 6), (3, 9)):
        yield _conv_2d(extents, (3, 3), (1, 1), (1, 1), "SAME", 16, 4)
        yield _conv_2d(extents, (1, 7), (1, 2), (1, 1), "SAME", 5, 10)


def rounded_once_cases() -> Iterator[Case]:
    """Convolutions behind a ReLU, as most are: results below the zero point are clamped like any int8."""
    random = _random("rounded once")
    for channels, filters, width in ((8, 16, 9), (3, 8, 7), (16, 8, 4), (40, 4, 6), (64, 12, 5), (136, 4, 8)):
        yield _behind_relu(_conv_2d((1, width), (1, 1), (1, 1), (1, 1), "SAME", channels, filters), random)
    for channels, filters, width in ((16, 8, 9), (32, 4, 6), (3, 8, 18), (16, 4, 3), (24, 4, 5), (48, 4, 4)):
        for stride in ((1, 1), (2, 2)):
            case = _conv_2d((4, width), (3, 3), stride, (1, 1), "SAME", channels, filters)
            yield case
            yield _behind_relu(case, random)
    yield _behind_relu(_conv_2d((9, 10), (10, 4), (2, 2), (1, 1), "SAME", 1, 64), random)
    # No window lies inside the input.
    for width, size, stride in ((2, 3, 2), (1, 2, 2), (3, 4, 3), (1, 3, 2)):
        yield _behind_relu(_conv_2d((5, width), (3, size), (2, stride), (1, 1), "SAME", 8, 8), random)
    for width, channels in ((48, 8), (25, 4), (13, 8), (12, 16), (7, 4), (6, 64), (5, 8), (3, 12), (1, 4)):
        for stride in ((1, 1), (2, 2)):
            yield _behind_relu(
                _depthwise_conv_2d((3, width), (3, 3), stride, (1, 1), "SAME", channels, 1), random
            )


def _behind_relu(case: Case, random: np.random.Generator) -> Case:
    """``case`` with factors whose results fill int8, and one channel that is always the same."""
    (op,) = case.graph.ops
    assert isinstance(op, Conv2D | DepthwiseConv2D)
    channels = op.bias.size
    taps = op.filter.size // channels
    reals = 180.0 / (74.0 * 90.0 * np.sqrt(taps)) * random.uniform(0.5, 2.0, channels)
    bias = op.bias.copy()
    bias[channels // 2] = -(2**29)
    op = replace(
        op,
        bias=bias,
        requantization=_factor(reals.tolist()),
        output_zero_point=-128,
        activation_min=-128,
        activation_max=127,
    )
    return Case(f"{case.name}, behind a ReLU", replace(case.graph, ops=(op,)), case.inputs)


def odd_window_cases() -> Iterator[Case]:
    """Rows of windows that are no multiple of four elements, over all widths of a few pixels."""
    for width, (channels, size) in enumerate(
        ((3, (3, 3)), (1, (3, 3)), (2, (5, 5)), (3, (2, 2)), (5, (3, 1)))
    ):
        for stride in ((1, 1), (2, 2)):
            for extent in ((4, 3 * width + 1), (4, 3 * width + 2), (4, 3 * width + 3)):
                yield _conv_2d(extent, size, stride, (1, 1), "SAME", channels, 4 + width)


def shallow_cases() -> Iterator[Case]:
    """Rows of pixels of eight channels, of all lengths up to more than two strips."""
    for width, filters in zip(range(1, 36), cycle((1, 16, 3, 9)), strict=False):
        case = _conv_2d((2, width), (1, 1), (1, 1), (1, 1), "SAME", 8, filters)
        relu = replace(case.graph.ops[0], output_zero_point=-128, activation_min=-128, activation_max=127)
        yield Case(f"{case.name} ReLU", replace(case.graph, ops=(relu,)), case.inputs)


def narrow_depthwise_cases() -> Iterator[Case]:
    """Rows of a few pixels, where the windows of most hang over."""
    channels = cycle((4, 5, 8, 11))
    for width, stride, padding in product(range(1, 9), ((1, 1), (2, 2)), ("SAME", "VALID")):
        extent = _fitting((3, width), (3, 3), (1, 1), padding)
        yield _depthwise_conv_2d(extent, (3, 3), stride, (1, 1), padding, next(channels), 1)


def _ties_of_convolution(shift: int, zero_point: int, clamp: tuple[int, int]) -> Case:
    """The biases of :func:`_ties` as those of a convolution with one pixel."""
    case = _ties(shift)
    (op,) = case.graph.ops
    assert isinstance(op, FullyConnected)
    convolution = Conv2D(
        0,
        (0,),
        1,
        filter=op.filter.reshape(-1, 1, 1, 1),
        bias=op.bias,
        input_zero_point=0,
        output_zero_point=zero_point,
        requantization=op.requantization,
        activation_min=clamp[0],
        activation_max=clamp[1],
        window=Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
    )
    name = f"{case.name} of a convolution, zero point {zero_point}, clamp {clamp}"
    shape = (1, 1, 1, op.bias.size)
    return _case(name, convolution, [(1, 1, 1, 1)], shape, _random(name))


def _weights_of(
    kind: str,
    choice: Array,
    share: float,
    extent: tuple[int, int],
    size: tuple[int, int],
    channels: int,
) -> Case:
    """A convolution whose weights are of ``choice``, all but a ``share`` of them 0, of the largest inputs."""
    case = _conv_2d(extent, size, (1, 1), (1, 1), "SAME", channels, 11)
    (op,) = case.graph.ops
    assert isinstance(op, Conv2D)
    random = _random(f"{kind} weights {case.name}")
    weights = random.choice(choice, op.filter.shape)
    weights[random.random(op.filter.shape) > share] = 0
    inputs = (random.choice(extremes_of_int8(), case.inputs[0].shape),)
    graph = replace(case.graph, ops=(replace(op, filter=weights),))
    return Case(f"{kind} weights, {case.name}", graph, inputs)


def extremes_of_int8() -> Array:
    """Mostly the largest and the smallest."""
    return np.array([127, 127, -128, -128, 0, 90], np.int8)


def _clamped_at_zero(case: Case) -> Case:
    """The same with an output that has no negative values."""
    (op,) = case.graph.ops
    assert isinstance(op, DepthwiseConv2D)
    op = replace(op, output_zero_point=-128, activation_min=-128, activation_max=127)
    return Case(f"{case.name} behind a ReLU", replace(case.graph, ops=(op,)), case.inputs)


def _visible_ties(shift: int, zero_point: int, clamp: tuple[int, int]) -> Case:
    """A convolution of one pixel on all inputs; its factor is a power of two, so sums lie on ties."""
    weights = np.array([[w, 0, 0, w] for w in (1, -1, 2, 3, -5, 17, -100, 0)], np.int8).reshape(8, 1, 1, 4)
    op = Conv2D(
        0,
        (0,),
        1,
        filter=weights,
        bias=np.arange(-4, 4, dtype=np.int32) * 3,
        input_zero_point=7,
        output_zero_point=zero_point,
        requantization=Requantization(np.full(8, 2**30, np.int32), np.full(8, shift, np.int32)),
        activation_min=clamp[0],
        activation_max=clamp[1],
        window=Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0),
    )
    values = np.arange(-128, 128, dtype=np.int8)
    pixels = np.stack([values, values[::-1], values, np.repeat(values[::2], 2)], axis=1)
    graph = _graph(op, [(1, 1, 256, 4)], (1, 1, 256, 8))
    return Case(f"visible ties {shift} {zero_point} {clamp}", graph, (pixels.reshape(1, 1, 256, 4),))


def pool_2d_cases() -> Iterator[Case]:
    kinds = (AveragePool2D, MaxPool2D)
    channels, clamps = cycle((1, 3, 8, 257)), cycle(CLAMPS)
    for extent, window, stride, _, padding in _sliding_windows(dilations=()):
        count, clamp = next(channels), next(clamps)
        for kind in kinds:
            yield _pool_2d(kind, extent, window, stride, padding, count, clamp)
    for kind in kinds:
        yield _pool_2d(kind, (25, 5), (25, 5), (25, 5), "VALID", 64, FULL_RANGE)


def mean_cases() -> Iterator[Case]:
    zero_points = cycle(product(ZERO_POINTS, (-128, 0, 127)))
    for extent, channels, ratio in product(((1, 1), (3, 3), (7, 7), (25, 5)), (1, 3, 64), (0.3, 1.0, 2.7)):
        yield _mean(extent, channels, ratio, *next(zero_points))


def wide_mean_cases() -> Iterator[Case]:
    """Rows whose sums reach the limits of 16 bits, and channels around fours."""
    for extent, channels, value in (((2, 256), 4, -128), ((2, 256), 6, 127), ((3, 255), 5, -128)):
        case = _mean(extent, channels, 1.0, 0, 0)
        inputs = (np.full(case.inputs[0].shape, value, np.int8),)
        yield Case(f"{case.name} of {value}", case.graph, inputs)
    for channels in range(4, 12):
        yield _mean((3, channels), channels, 2.7, -128, 5)


def pad_cases() -> Iterator[Case]:
    for shape, before, after in (
        ((1, 3, 4, 2), (0, 0, 0, 0), (0, 1, 1, 0)),
        ((1, 3, 4, 2), (0, 2, 1, 3), (0, 0, 4, 1)),
        ((2, 1, 5), (0, 1, 0), (0, 0, 2)),
        ((1, 5, 3), (0, 1, 2), (0, 2, 0)),
        ((1, 7), (0, 3), (0, 0)),
        ((4,), (0,), (0,)),
        ((1, 6, 6, 1), (0, 0, 0, 0), (0, 0, 0, 0)),
    ):
        for value in (0, -128, 127):
            yield _pad(shape, before, after, value)


def softmax_cases() -> Iterator[Case]:
    for rows, depth, scale in product((1, 3), (1, 2, 10, 257), (0.001, 0.05, 0.3, 2.0, 40.0)):
        yield _softmax(f"softmax {rows}x{depth} scale {scale}", (rows, depth), scale)
    for value in (-128, 0, 127):
        yield _softmax(f"softmax 4095 times {value}", (1, 4095), 0.1, constant=value)
    # Every difference that two int8 can have.
    yield _softmax("softmax of all values", (1, 256), 0.08, ramp=True)


def _sliding_windows(
    dilations: Sequence[tuple[int, int]] = DILATIONS,
) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int], str]]:
    extents = cycle(EXTENTS)
    for window, stride, padding in product(WINDOWS, STRIDES, ("SAME", "VALID")):
        yield _fitting(next(extents), window, (1, 1), padding), window, stride, (1, 1), padding
    for window, dilation, padding in product(((3, 3), (2, 4)), dilations, ("SAME", "VALID")):
        yield _fitting(next(extents), window, dilation, padding), window, (1, 1), dilation, padding
        yield _fitting((9, 12), window, dilation, padding), window, (2, 1), dilation, padding


def _fitting(
    extent: tuple[int, int], window: tuple[int, int], dilation: tuple[int, int], padding: str
) -> tuple[int, int]:
    if padding == "SAME":
        return extent
    height, width = ((w - 1) * d + 1 for w, d in zip(window, dilation, strict=True))
    return max(extent[0], height), max(extent[1], width)


def _window(
    extent: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
) -> tuple[Window, tuple[int, int]]:
    """The window and the height and width of its output, as TensorFlow defines SAME and VALID."""
    counts, before, after = [], [], []
    for length, taps, step, spread in zip(extent, size, stride, dilation, strict=True):
        covered = (taps - 1) * spread + 1
        count = -(-length // step) if padding == "SAME" else (length - covered) // step + 1
        missing = max((count - 1) * step + covered - length, 0)
        counts.append(count)
        before.append(missing // 2)
        after.append(missing - missing // 2)
    window = Window(*size, *stride, *dilation, before[0], after[0], before[1], after[1])
    return window, (counts[0], counts[1])


def _conv_2d(
    extent: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    channels: int,
    filters: int,
) -> Case:
    name = f"conv {extent} {channels}->{filters} window {size} stride {stride} dilation {dilation} {padding}"
    random = _random(name)
    window, output = _window(extent, size, stride, dilation, padding)
    op = Conv2D(
        0,
        (0,),
        1,
        filter=_int8(random, (filters, *size, channels)),
        window=window,
        **_stage(random, filters, taps=size[0] * size[1] * channels),
    )
    return _case(name, op, [(1, *extent, channels)], (1, *output, filters), random)


def _depthwise_conv_2d(
    extent: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    channels: int,
    depth_multiplier: int,
) -> Case:
    name = (
        f"depthwise {extent} {channels}x{depth_multiplier} window {size} stride {stride} "
        f"dilation {dilation} {padding}"
    )
    random = _random(name)
    window, output = _window(extent, size, stride, dilation, padding)
    outputs = channels * depth_multiplier
    op = DepthwiseConv2D(
        0,
        (0,),
        1,
        filter=_int8(random, (1, *size, outputs)),
        window=window,
        depth_multiplier=depth_multiplier,
        **_stage(random, outputs, taps=size[0] * size[1]),
    )
    return _case(name, op, [(1, *extent, channels)], (1, *output, outputs), random)


def _fully_connected(
    batches: int, depth: int, outputs: int, per_channel: bool, zero_point: int, filter_zero_point: int
) -> Case:
    name = (
        f"fully connected {batches}x{depth}->{outputs} per_channel={per_channel} filter {filter_zero_point}"
    )
    random = _random(name)
    stage = _stage(random, outputs, taps=depth)
    if not per_channel:
        factor = stage["requantization"]
        stage["requantization"] = Requantization(factor.multiplier[:1], factor.shift[:1])
    op = FullyConnected(
        0,
        (0,),
        1,
        filter=_int8(random, (outputs, depth)),
        filter_zero_point=filter_zero_point,
        **{**stage, "input_zero_point": zero_point},
    )
    return _case(name, op, [(batches, depth)], (batches, outputs), random)


def _ties(shift: int) -> Case:
    """1,024 biases at, one below and one above values that round at a tie, for one shift."""
    random = _random(f"ties {shift}")
    count = 1024
    multiplier = random.integers(2**30, 2**31, count)
    multiplier[: count // 2] = 2**30
    halves = random.integers(-280, 280, count) / 2
    biases = np.rint(halves / (multiplier / 2**31 * 2.0**shift)) + random.integers(-1, 2, count)
    # A quarter is drawn from all of int32, where the left shift wraps around.
    biases[::4] = random.integers(-(2**31), 2**31, count // 4)
    op = FullyConnected(
        0,
        (0,),
        1,
        filter=np.zeros((count, 1), np.int8),
        bias=np.clip(biases, -(2**31), 2**31 - 1).astype(np.int32),
        input_zero_point=0,
        filter_zero_point=0,
        output_zero_point=int(random.integers(-128, 128)),
        requantization=Requantization(multiplier.astype(np.int32), np.full(count, shift, np.int32)),
        activation_min=-128,
        activation_max=127,
    )
    return _case(f"ties at shift {shift}", op, [(1, 1)], (1, count), random)


def _wrapping_sums() -> Case:
    """The largest products on top of the largest biases, and a zero point on top of the largest results:
    int32 wraps around."""
    filters = [[127, 127], [-128, -128], [-128, -128], [127, 127], [0, 0], [0, 0]]
    biases = [2**31 - 1, -(2**31), 2**31 - 1, -(2**31), 2**31 - 1, -(2**31)]
    multipliers = [2**31 - 1, 2**31 - 1, 2**30, 0, 2**31 - 1, 2**31 - 1]
    op = FullyConnected(
        0,
        (0,),
        1,
        filter=np.array(filters, np.int8),
        bias=np.array(biases, np.int32),
        input_zero_point=-128,
        filter_zero_point=0,
        output_zero_point=127,
        requantization=Requantization(
            np.array(multipliers, np.int32), np.array([-24, -24, 30, 0, 0, 0], np.int32)
        ),
        activation_min=-128,
        activation_max=127,
    )
    inputs = (np.full((1, 2), 127, np.int8),)
    return Case("sums that wrap around", _graph(op, [(1, 2)], (1, len(biases))), inputs)


def _add(
    name: str, scales: tuple[float, float, float], zero_points: tuple[int, int, int], clamp: tuple[int, int]
) -> Case:
    """All pairs of int8 values."""
    left_shift = 20
    twice_largest = 2.0 * max(scales[:2])
    factors = [_factor([scale / twice_largest]) for scale in scales[:2]]
    op = Add(
        0,
        (0, 1),
        2,
        left_shift=left_shift,
        input_zero_points=zero_points[:2],
        input_requantizations=(factors[0], factors[1]),
        output_zero_point=zero_points[2],
        output_requantization=_factor([twice_largest / (2**left_shift * scales[2])]),
        activation_min=clamp[0],
        activation_max=clamp[1],
    )
    first, second = np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8))
    shape = (1, 256, 256)
    inputs = (first.reshape(shape), second.reshape(shape))
    return Case(name, _graph(op, [shape, shape], shape), inputs)


def _pool_2d(
    kind: type[AveragePool2D] | type[MaxPool2D],
    extent: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    channels: int,
    clamp: tuple[int, int],
) -> Case:
    name = f"{kind.__name__} {extent}x{channels} window {size} stride {stride} {padding} clamp {clamp}"
    window, output = _window(extent, size, stride, (1, 1), padding)
    op = kind(0, (0,), 1, window=window, activation_min=clamp[0], activation_max=clamp[1])
    return _case(name, op, [(1, *extent, channels)], (1, *output, channels), _random(name))


def _mean(
    extent: tuple[int, int], channels: int, ratio: float, zero_point: int, output_zero_point: int
) -> Case:
    name = f"mean {extent}x{channels} ratio {ratio} zero points {zero_point}, {output_zero_point}"
    multiplier, shift = arithmetic.mean_multiplier(
        *arithmetic.quantize_multiplier(ratio), extent[0] * extent[1]
    )
    op = Mean(
        0,
        (0,),
        1,
        input_zero_point=zero_point,
        output_zero_point=output_zero_point,
        requantization=Requantization(np.array([multiplier], np.int32), np.array([shift], np.int32)),
    )
    return _case(name, op, [(1, *extent, channels)], (1, channels), _random(name))


def _pad(shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...], value: int) -> Case:
    name = f"pad {shape} by {before} and {after} with {value}"
    output = tuple(sum(sizes) for sizes in zip(before, shape, after, strict=True))
    op = Pad(0, (0,), 1, before=before, after=after, value=value)
    return _case(name, op, [shape], output, _random(name))


def _softmax(
    name: str, shape: tuple[int, int], scale: float, constant: int | None = None, ramp: bool = False
) -> Case:
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, scale)
    op = Softmax(0, (0,), 1, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)
    case = _case(name, op, [shape], shape, _random(name))
    if constant is not None:
        return Case(name, case.graph, (np.full(shape, constant, np.int8),))
    if ramp:
        return Case(name, case.graph, (np.arange(-128, 128, dtype=np.int8).reshape(shape),))
    return case


def _stage(random: np.random.Generator, channels: int, taps: int) -> dict[str, Any]:
    """Bias, zero points and factors for sums of ``taps`` products, in random sizes around the fitting one."""
    typical_sum = 74.0 * 90.0 * np.sqrt(taps)
    reals = 50.0 / typical_sum * random.uniform(0.2, 4.0, channels)
    activation_min, activation_max = random.choice(CLAMPS[:3])
    return {
        "bias": random.integers(-typical_sum, typical_sum, channels).astype(np.int32),
        "input_zero_point": int(random.choice(ZERO_POINTS)),
        "output_zero_point": int(random.choice(ZERO_POINTS)),
        "requantization": _factor(reals.tolist()),
        "activation_min": int(activation_min),
        "activation_max": int(activation_max),
    }


def _factor(reals: Sequence[float]) -> Requantization:
    pairs = np.array([arithmetic.quantize_multiplier(real) for real in reals], np.int32)
    return Requantization(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))


def _case(
    name: str,
    op: Op,
    inputs: Sequence[tuple[int, ...]],
    output: tuple[int, ...],
    random: np.random.Generator,
) -> Case:
    return Case(name, _graph(op, inputs, output), tuple(_int8(random, shape) for shape in inputs))


def _graph(op: Op, inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> Graph:
    shapes = [*inputs, output]
    tensors = {index: Tensor(index, f"t{index}", shape, 1.0, 0) for index, shape in enumerate(shapes)}
    return Graph("case", "0" * 64, tensors, (op,), op.inputs, (op.output,))


def _int8(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return random.integers(-128, 128, shape, dtype=np.int8)


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(crc32(name.encode()))


def depthwise_window_cases() -> Iterator[Case]:
    """Depthwise convolutions of all windows: rows around what tiles hold, channels in fours and others,
    dilation with and without steps, windows without a column inside, and shared input channels.
    """
    random = _random("depthwise windows")
    sizes = cycle(((5, 5), (7, 7), (4, 4), (6, 3), (1, 9), (9, 1), (3, 6), (8, 8), (2, 5)))
    for width, channels in ((8, 8), (4, 16), (17, 4), (12, 20), (3, 36), (5, 12), (1, 4), (9, 8), (24, 4)):
        for stride in ((1, 1), (2, 2), (1, 3)):
            case = _depthwise_conv_2d((5, width), next(sizes), stride, (1, 1), "SAME", channels, 1)
            yield case
            yield _behind_relu(case, random)
    for size, stride, dilation, width in (
        ((3, 3), 1, 2, 13), ((3, 3), 2, 2, 11), ((3, 3), 2, 3, 14), ((3, 3), 3, 2, 16), ((5, 5), 4, 6, 20),
        ((3, 3), 1, 7, 4), ((3, 2), 1, 2, 1), ((1, 4), 2, 5, 3), ((3, 1), 2, 4, 9), ((2, 2), 6, 4, 23),
    ):  # fmt: skip
        for channels, multiplier in ((8, 1), (3, 2)):
            case = _depthwise_conv_2d(
                (3, width), size, (1, stride), (2, dilation), "SAME", channels, multiplier
            )
            yield _behind_relu(case, random)
    for size, stride in (((1, 40), 1), ((25, 1), 1), ((25, 1), 2), ((60, 1), 1), ((11, 11), 2), ((14, 2), 3)):
        yield _depthwise_conv_2d((3, 14), size, (1, stride), (1, 1), "SAME", 4, 1)
    for channels, multiplier in ((6, 1), (2, 6), (5, 3), (1, 7), (4, 4), (12, 3), (3, 1)):
        yield _depthwise_conv_2d((17, 11), (3, 3), (1, 1), (1, 1), "SAME", channels, multiplier)
        yield _behind_relu(
            _depthwise_conv_2d((17, 7), (5, 5), (2, 2), (1, 1), "VALID", channels, multiplier), random
        )


def wide_pool_cases() -> Iterator[Case]:
    """Pools of channels around sixteens, of the same value everywhere, and of windows that hang over."""
    kinds, clamps = (AveragePool2D, MaxPool2D), cycle(CLAMPS)
    for width, channels, size, stride in (
        (9, 16, (3, 3), (2, 2)), (8, 17, (2, 2), (2, 2)), (5, 15, (3, 3), (1, 1)), (6, 40, (5, 4), (1, 2)),
        (4, 33, (1, 3), (1, 1)), (7, 4, (7, 7), (1, 1)), (3, 64, (2, 9), (1, 2)), (11, 5, (4, 1), (3, 3)),
    ):  # fmt: skip
        for padding in ("SAME", "VALID"):
            extent, clamp = _fitting((17, width), size, (1, 1), padding), next(clamps)
            for kind in kinds:
                yield _pool_2d(kind, extent, size, stride, padding, channels, clamp)
    for kind in kinds:
        for size, value in product(((5, 6), (16, 16)), (-128, 127, -1)):
            case = _pool_2d(kind, (16, 17), size, (1, 1), "SAME", 9, FULL_RANGE)
            inputs = (np.full(case.inputs[0].shape, value, np.int8),)
            yield Case(f"{case.name} of {value}", case.graph, inputs)
