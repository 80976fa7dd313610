"""Builds a Keras model from an :class:`~edgekit.models.architecture.Architecture`."""

from __future__ import annotations

from typing import Any, TypeAlias

from edgekit.models.architecture import (
    Architecture,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAveragePool,
    Layer,
    Residual,
    Softmax,
)
from edgekit.models.tensorflow_backend import Keras, KerasModel, Tensor, load_keras

Initializer: TypeAlias = Any

INPUT_NAME = "pixels"
_BATCH_NORM_EPSILON = 1e-3


def build_keras_model(
    architecture: Architecture,
    *,
    dropout: float = 0.0,
    batch_norm_momentum: float = 0.9,
    seed: int = 0,
) -> KerasModel:
    """A ``keras.Model`` from float32 NHWC pixels in [-1, 1) to softmax probabilities.

    Every layer is named and every initial weight follows from ``seed`` alone. ``dropout`` acts before the
    classifier. A momentum of 0.99 (Keras' default) leaves the moving statistics far behind in the few
    hundred steps that small networks train for, and inference at chance level.
    """
    keras = load_keras()
    builder = _Builder(keras, dropout, batch_norm_momentum, seed)
    inputs = keras.Input(architecture.input_shape, name=INPUT_NAME)
    outputs = {INPUT_NAME: inputs}
    tensor = inputs
    for layer in architecture.layers:
        tensor = builder.apply(layer, tensor, outputs)
        outputs[layer.name] = tensor
    return keras.Model(inputs, tensor, name=architecture.name)


class _Builder:
    def __init__(self, keras: Keras, dropout: float, momentum: float, seed: int) -> None:
        self._keras = keras
        self._dropout = dropout
        self._momentum = momentum
        self._next_seed = seed * 10_000

    def apply(self, layer: Layer, tensor: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        """The output tensor of ``layer`` on ``tensor``; ``outputs`` are those of the earlier layers."""
        layers = self._keras.layers
        match layer:
            case Convolution():
                convolution = layers.Conv2D(
                    layer.filters,
                    layer.kernel,
                    strides=layer.stride,
                    padding="same",
                    use_bias=False,
                    kernel_initializer=self._initializer(),
                    name=layer.name,
                )
                return self._normalize(convolution(tensor), layer)
            case DepthwiseConvolution():
                depthwise = layers.DepthwiseConv2D(
                    layer.kernel,
                    strides=layer.stride,
                    padding="same",
                    use_bias=False,
                    depthwise_initializer=self._initializer(),
                    name=layer.name,
                )
                return self._normalize(depthwise(tensor), layer)
            case Residual():
                return layers.Add(name=layer.name)([tensor, outputs[layer.skip]])
            case GlobalAveragePool():
                return layers.GlobalAveragePooling2D(name=layer.name)(tensor)
            case Dense():
                return self._classify(layer, tensor)
            case Softmax():
                return layers.Activation("softmax", name=layer.name)(tensor)

    def _normalize(self, tensor: Tensor, layer: Convolution | DepthwiseConvolution) -> Tensor:
        layers = self._keras.layers
        tensor = layers.BatchNormalization(
            momentum=self._momentum, epsilon=_BATCH_NORM_EPSILON, name=f"{layer.name}_norm"
        )(tensor)
        if layer.activation == "linear":
            return tensor
        return layers.ReLU(max_value=6.0, name=f"{layer.name}_relu6")(tensor)

    def _classify(self, layer: Dense, tensor: Tensor) -> Tensor:
        layers = self._keras.layers
        if self._dropout > 0.0:
            tensor = layers.Dropout(self._dropout, seed=self._seed(), name="dropout")(tensor)
        dense = layers.Dense(layer.units, kernel_initializer=self._initializer(), name=layer.name)
        return dense(tensor)

    def _initializer(self) -> Initializer:
        return self._keras.initializers.GlorotUniform(seed=self._seed())

    def _seed(self) -> int:
        self._next_seed += 1
        return self._next_seed
