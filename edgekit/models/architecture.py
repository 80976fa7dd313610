"""A network as plain data: what the Keras builder builds and what the cost model counts.

Layouts are NHWC; every network here takes square pictures and every window uses TensorFlow's SAME
padding, so an output side is ceil(side / stride).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Activation = Literal["relu6", "linear"]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    """Square convolution without bias, batch normalization, ``activation``."""

    name: str
    filters: int
    kernel: int
    stride: int
    activation: Activation


@dataclass(frozen=True)
class DepthwiseConvolution:
    """One square filter a channel, batch normalization, ``activation``."""

    name: str
    kernel: int
    stride: int
    activation: Activation


@dataclass(frozen=True)
class Residual:
    """Adds the output of the earlier layer called ``skip``."""

    name: str
    skip: str


@dataclass(frozen=True)
class GlobalAveragePool:
    """(H, W, C) to (C,)."""

    name: str


@dataclass(frozen=True)
class Dense:
    """Fully connected with bias: (C,) to (units,)."""

    name: str
    units: int


@dataclass(frozen=True)
class Softmax:
    """Logits to probabilities."""

    name: str


Layer: TypeAlias = Convolution | DepthwiseConvolution | Residual | GlobalAveragePool | Dense | Softmax


@dataclass(frozen=True)
class Architecture:
    """A chain of ``layers`` over a picture of (``image_size``, ``image_size``, ``channels``)."""

    name: str
    image_size: int
    channels: int
    layers: tuple[Layer, ...]

    @property
    def input_shape(self) -> Shape:
        """(H, W, C) of the picture."""
        return (self.image_size, self.image_size, self.channels)


def walk(architecture: Architecture) -> Iterator[tuple[Layer, Shape, Shape]]:
    """Each layer with the shapes that it reads and writes: (H, W, C), or (C,) after the pooling."""
    shape = architecture.input_shape
    for layer in architecture.layers:
        written = output_shape(layer, shape)
        yield layer, shape, written
        shape = written


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Shape that ``layer`` writes when it reads ``shape``."""
    match layer:
        case Convolution():
            return (*_strided(shape, layer.stride), layer.filters)
        case DepthwiseConvolution():
            return (*_strided(shape, layer.stride), shape[2])
        case GlobalAveragePool():
            return shape[2:]
        case Dense():
            return (layer.units,)
        case Residual() | Softmax():
            return shape


def _strided(shape: Shape, stride: int) -> tuple[int, int]:
    return (-(-shape[0] // stride), -(-shape[1] // stride))
