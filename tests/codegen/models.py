"""Graphs for the tests of the code generator, small enough to read."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

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
    Reshape,
    Softmax,
    Tensor,
    Window,
)


def tiny_model() -> Graph:
    """Every operator once, a few weights each: 6x6x1 picture to three classes."""
    shapes: list[tuple[str, tuple[int, ...], float, int]] = [
        ("image", (1, 6, 6, 1), 1 / 128, 0),
        ("pad", (1, 7, 7, 1), 1 / 128, 0),
        ("stem/Relu;stem/Conv2D", (1, 3, 3, 2), 0.05, -128),
        ("depthwise/Relu", (1, 3, 3, 2), 0.04, -128),
        ("pointwise/BiasAdd", (1, 3, 3, 2), 0.1, 3),
        ("residual/Add", (1, 3, 3, 2), 0.12, -10),
        ("max_pool", (1, 2, 2, 2), 0.12, -10),
        ("average_pool", (1, 2, 2, 2), 0.12, -10),
        ("mean", (1, 1, 1, 2), 0.11, -5),
        ("flatten/Reshape", (1, 2), 0.11, -5),
        ("logits/BiasAdd", (1, 3), 0.2, 7),
        ("probabilities", (1, 3), 1 / 256, -128),
    ]
    tensors = {index: Tensor(index, *fields) for index, fields in enumerate(shapes)}
    return Graph("tiny", bytes(range(32)).hex(), tensors, _tiny_ops(), inputs=(0,), outputs=(11,))


def _tiny_ops() -> tuple[Op, ...]:
    pointwise = Window(1, 1, 1, 1, 1, 1, 0, 0, 0, 0)
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.2)
    return (
        Pad(0, (0,), 1, before=(0, 0, 0, 0), after=(0, 1, 1, 0), value=0),
        Conv2D(
            1,
            (1,),
            2,
            filter=_weights((2, 3, 3, 1)),
            window=Window(3, 3, 2, 2, 1, 1, 0, 0, 0, 0),
            **_stage(0, -128, [0.02, 0.013]),
        ),
        DepthwiseConv2D(
            2,
            (2,),
            3,
            filter=_weights((1, 3, 3, 2)),
            window=Window(3, 3, 1, 1, 1, 1, 1, 1, 1, 1),
            depth_multiplier=1,
            **_stage(-128, -128, [0.01, 0.021]),
        ),
        Conv2D(3, (3,), 4, filter=_weights((2, 1, 1, 2)), window=pointwise, **_stage(-128, 3, [0.03, 0.017])),
        Add(
            4,
            (4, 2),
            5,
            left_shift=20,
            input_zero_points=(3, -128),
            input_requantizations=(_factor([0.5]), _factor([0.25])),
            output_zero_point=-10,
            output_requantization=_factor([0.2 / (2**20 * 0.12)]),
            activation_min=-128,
            activation_max=127,
        ),
        MaxPool2D(
            5, (5,), 6, window=Window(2, 2, 2, 2, 1, 1, 0, 1, 0, 1), activation_min=-128, activation_max=127
        ),
        AveragePool2D(
            6, (6,), 7, window=Window(2, 2, 1, 1, 1, 1, 0, 1, 0, 1), activation_min=-128, activation_max=127
        ),
        Mean(
            7,
            (7,),
            8,
            input_zero_point=-10,
            output_zero_point=-5,
            requantization=_factor([0.12 / 0.11 / 4]),
        ),
        Reshape(8, (8,), 9),
        FullyConnected(
            9, (9,), 10, filter=_weights((3, 2)), filter_zero_point=0, **_stage(-5, 7, [0.01], channels=3)
        ),
        Softmax(10, (10,), 11, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min),
    )


def renamed(graph: Graph, names: list[str]) -> Graph:
    """``graph`` and its tensors under other names: the graph's first, then each tensor's in turn."""
    tensors = {
        index: replace(tensor, name=names[1 + number % (len(names) - 1)])
        for number, (index, tensor) in enumerate(graph.tensors.items())
    }
    return replace(graph, name=names[0], tensors=tensors)


def two_branches(softmax_ops: int = 1) -> Graph:
    """Two inputs and two outputs: a chain of SOFTMAX on one, a RESHAPE of the other."""
    shapes = {0: (1, 4), 1: (1, 2, 2), 2: (1, 4), 3: (2, 2)} | dict.fromkeys(
        range(4, 3 + softmax_ops), (1, 4)
    )
    tensors = {index: Tensor(index, f"tensor_{index}", shape, 0.5, 0) for index, shape in shapes.items()}
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.5)
    chain = [0, *range(4, 3 + softmax_ops), 2]
    ops: list[Op] = [
        Softmax(number, (source,), target, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)
        for number, (source, target) in enumerate(pairwise(chain))
    ]
    ops.append(Reshape(softmax_ops, (1,), 3))
    return Graph("two branches", "ab" * 32, tensors, tuple(ops), inputs=(0, 1), outputs=(2, 3))


def softmaxes(*depths: int) -> Graph:
    """A SOFTMAX of each of those numbers of classes, all with inputs and outputs of their own."""
    count = len(depths)
    shapes = [(1, depth) for depth in (*depths, *depths)]
    tensors = {index: Tensor(index, f"tensor_{index}", shape, 0.2, 0) for index, shape in enumerate(shapes)}
    multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(1.0, 0.2)
    ops = tuple(
        Softmax(n, (n,), count + n, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)
        for n in range(count)
    )
    return Graph("softmaxes", "cd" * 32, tensors, ops, tuple(range(count)), tuple(range(count, 2 * count)))


def _weights(shape: tuple[int, ...]) -> Any:
    """Every third value from -100 on."""
    return (np.arange(np.prod(shape)) * 37 % 201 - 100).astype(np.int8).reshape(shape)


def _stage(
    input_zero_point: int, output_zero_point: int, reals: list[float], channels: int | None = None
) -> dict[str, Any]:
    return {
        "bias": (np.arange(channels or len(reals)) * 300 - 200).astype(np.int32),
        "input_zero_point": input_zero_point,
        "output_zero_point": output_zero_point,
        "requantization": _factor(reals),
        "activation_min": -128,
        "activation_max": 127,
    }


def _factor(reals: list[float]) -> Requantization:
    pairs = np.array([arithmetic.quantize_multiplier(real) for real in reals], np.int32)
    return Requantization(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))
