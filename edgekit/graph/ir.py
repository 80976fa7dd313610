"""The int8 graph: what a ``.tflite`` means, with its arithmetic resolved to integers.

The reader (:mod:`edgekit.graph.tflite`) turns scales into fixed-point multipliers once; the NumPy
executor, the passes and the code generator all work from these values, so they cannot disagree.

Layouts are TensorFlow Lite's: activations NHWC with N = 1, convolution filters OHWI, depthwise
filters 1HWO (O = input channels times depth multiplier), fully connected filters OI. Activations are
int8 with one ``scale`` and ``zero_point`` a tensor: real = scale * (q - zero_point).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

MAX_BORDER_TENSORS = 255
"""Most inputs, and most outputs, of a model: ek_model.h counts them in a byte."""

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]


@dataclass(frozen=True)
class Tensor:
    """An int8 activation. ``index`` is its number in the .tflite, which names it in every report."""

    index: int
    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def size_bytes(self) -> int:
        """One byte an element."""
        return prod(self.shape)


@dataclass(frozen=True)
class Requantization:
    """TFLM's fixed-point factor: real ≈ ``multiplier`` / 2**31 * 2**``shift`` (positive shifts left).

    One entry a channel (per-channel quantization) or exactly one for the whole tensor.
    """

    multiplier: Int32Array
    shift: Int32Array


@dataclass(frozen=True)
class Window:
    """Geometry of a sliding window over H and W. ``pad_*`` counts the rows or columns that lie outside."""

    height: int
    width: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int


@dataclass(frozen=True)
class Op:
    """An operator: position in the .tflite, tensors it reads and the one it writes (tensor indices)."""

    index: int
    inputs: tuple[int, ...]
    output: int

    @property
    def opcode(self) -> str:
        """TensorFlow Lite's name of the operator, such as ``CONV_2D``."""
        return _OPCODES[type(self)]


@dataclass(frozen=True)
class Conv2D(Op):
    """``filter`` OHWI; ``bias`` (O,) is zeros where the model has none. Output clamped to activation_*."""

    filter: Int8Array
    bias: Int32Array
    window: Window
    input_zero_point: int
    output_zero_point: int
    requantization: Requantization
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """``filter`` (1, H, W, C·M) with output channel c·M + m reading input channel c; M = depth_multiplier."""

    filter: Int8Array
    bias: Int32Array
    window: Window
    depth_multiplier: int
    input_zero_point: int
    output_zero_point: int
    requantization: Requantization
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class FullyConnected(Op):
    """``filter`` (O, I) over the input flattened to (batch, I)."""

    filter: Int8Array
    bias: Int32Array
    input_zero_point: int
    filter_zero_point: int
    output_zero_point: int
    requantization: Requantization
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class Add(Op):
    """Sum of two tensors of one shape: both rescaled to a common scale at ``left_shift`` extra bits."""

    left_shift: int
    input_zero_points: tuple[int, int]
    input_requantizations: tuple[Requantization, Requantization]
    output_zero_point: int
    output_requantization: Requantization
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class AveragePool2D(Op):
    """Rounded mean over the part of the window inside the input (same scale in and out)."""

    window: Window
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class MaxPool2D(Op):
    """Maximum over the part of the window inside the input (same scale in and out)."""

    window: Window
    activation_min: int
    activation_max: int


@dataclass(frozen=True)
class Mean(Op):
    """Mean over H and W of an NHWC input, requantized to the output's scale."""

    input_zero_point: int
    output_zero_point: int
    requantization: Requantization


@dataclass(frozen=True)
class Pad(Op):
    """``before``/``after``: elements added on each axis, filled with ``value`` (the zero point)."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class Reshape(Op):
    """The same bytes under another shape."""


@dataclass(frozen=True)
class Softmax(Op):
    """Over the last axis; fixed point as in gemmlowp. ``multiplier``/``left_shift`` scale the input
    difference to Q5.26; differences below ``diff_min`` count as zero probability. Where a row's
    exponentials sum to 512 or more, every output is -128: each true value rounds to 0 of 256.
    """

    multiplier: int
    left_shift: int
    diff_min: int


_OPCODES: dict[type[Op], str] = {
    Conv2D: "CONV_2D",
    DepthwiseConv2D: "DEPTHWISE_CONV_2D",
    FullyConnected: "FULLY_CONNECTED",
    Add: "ADD",
    AveragePool2D: "AVERAGE_POOL_2D",
    MaxPool2D: "MAX_POOL_2D",
    Mean: "MEAN",
    Pad: "PAD",
    Reshape: "RESHAPE",
    Softmax: "SOFTMAX",
}

SUPPORTED_OPCODES = tuple(sorted(_OPCODES.values()))


@dataclass(frozen=True)
class Graph:
    """An int8 model. ``ops`` are in execution order; ``sha256`` is the digest of the .tflite file."""

    name: str
    sha256: str
    tensors: Mapping[int, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def input_bytes(self) -> int:
        """Bytes of all inputs together."""
        return sum(self.tensors[index].size_bytes for index in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs together."""
        return sum(self.tensors[index].size_bytes for index in self.outputs)
