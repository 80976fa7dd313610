"""What a network costs, counted from its description: parameters, MACs, activation bytes.

Counted are multiply-accumulates of convolutions and fully connected layers; batch normalization,
activations, pooling, residual additions and softmax are not, as in the MobileNet papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edgekit.models.architecture import (
    Architecture,
    Convolution,
    Dense,
    DepthwiseConvolution,
    Layer,
    Residual,
    Shape,
    walk,
)


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer. ``biases`` has one entry a filter: batch normalization folded into it."""

    name: str
    output_shape: Shape
    macs: int
    weights: int
    biases: int
    normalized_channels: int
    live_bytes: int

    @property
    def parameters(self) -> int:
        """Parameters as they are deployed: weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Cost:
    """Cost of a network as it is deployed in int8, one picture at a time."""

    layers: tuple[LayerCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases with batch normalization folded: what the .tflite file stores."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable_parameters(self) -> int:
        """Weights, biases, and batch normalization's gamma and beta: what training changes."""
        return self.parameters + self.normalized_channels

    @property
    def normalized_channels(self) -> int:
        """Channels with batch normalization; Keras stores four values for each."""
        return sum(layer.normalized_channels for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """int8 weights and int32 biases, without the file's own overhead and quantization scales."""
        return sum(layer.weights + 4 * layer.biases for layer in self.layers)

    @property
    def peak_activation_bytes(self) -> int:
        """Most bytes of int8 activations alive at the same time when layers run one after another.

        A layer's input and output are alive while it runs, and so are the skip tensors that a later
        residual addition needs. This is a lower bound of a planner that works layer by layer.
        """
        return max(layer.live_bytes for layer in self.layers)


def cost(architecture: Architecture) -> Cost:
    """Counts ``architecture`` layer by layer."""
    held = _held_bytes(architecture)
    return Cost(
        tuple(
            layer_cost(layer, read, written, held[position])
            for position, (layer, read, written) in enumerate(walk(architecture))
        )
    )


def layer_cost(layer: Layer, read: Shape, written: Shape, held_bytes: int = 0) -> LayerCost:
    """Cost of one layer that reads and writes these shapes, while ``held_bytes`` wait for a later layer."""
    weights, biases, normalized, macs = 0, 0, 0, 0
    match layer:
        case Convolution():
            weights = layer.kernel**2 * read[2] * layer.filters
            biases = normalized = layer.filters
            macs = weights * written[0] * written[1]
        case DepthwiseConvolution():
            weights = layer.kernel**2 * read[2]
            biases = normalized = read[2]
            macs = weights * written[0] * written[1]
        case Dense():
            weights = macs = read[0] * layer.units
            biases = layer.units
        case _:
            pass
    live_bytes = prod(read) + prod(written) + held_bytes
    return LayerCost(layer.name, written, macs, weights, biases, normalized, live_bytes)


def _held_bytes(architecture: Architecture) -> list[int]:
    """For each layer the bytes of skip tensors that it neither reads first nor writes, but must spare."""
    steps = list(walk(architecture))
    position = {layer.name: index for index, (layer, _, _) in enumerate(steps)}
    held = [0] * len(steps)
    for index, (layer, _, _) in enumerate(steps):
        if isinstance(layer, Residual):
            source = position[layer.skip]
            # The layer after the source reads the skip tensor as its input, so it is counted there.
            for between in range(source + 2, index + 1):
                held[between] += prod(steps[source][2])
    return held
