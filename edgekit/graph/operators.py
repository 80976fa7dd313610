"""From an operator as the ``.tflite`` stores it to the prepared one: what TFLM's Prepare computes.

One function an operator, listed at the end of this module. They follow TFLM's ``micro/kernels/*_common.cc``
and ``kernels/kernel_util.cc`` to the bit, including where a quotient is formed in float32 and where in
double, and they refuse whatever TFLM refuses: some of its checks end the process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError, UnsupportedOperatorError
from edgekit.graph import arithmetic
from edgekit.graph.ir import (
    SUPPORTED_OPCODES,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Int32Array,
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

MAX_TENSOR_BYTES = 2**24

_ADD_LEFT_SHIFT = 20
_MAX_SHIFT = 30
_MAX_SOFTMAX_ENTRIES = 4095

# Numbers of the schema's enumerations Padding and ActivationFunctionType.
_PADDING_SAME, _PADDING_VALID = 0, 1
_ACTIVATION_BOUNDS: Mapping[int, tuple[float | None, float | None]] = {
    0: (None, None),
    1: (0.0, None),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}


@dataclass(frozen=True)
class Constant:
    """A tensor whose values lie in the file: int8 or int32, in the file's shape.

    ``scales`` has one entry, one for each index of axis ``quantized_dimension``, or none.
    """

    name: str
    values: NDArray[np.signedinteger]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    quantized_dimension: int


@dataclass(frozen=True)
class StoredOp:
    """An operator as stored. An input that the model leaves out is None; ``options`` is the schema's
    accessor of its options, of the class that belongs to ``opcode``, or None where it has none.
    """

    index: int
    opcode: str
    inputs: tuple[Tensor | Constant | None, ...]
    output: Tensor
    options: Any

    def unsupported(self, detail: str) -> UnsupportedOperatorError:
        """The error that says: sound, but this variant of the operator has no implementation."""
        return UnsupportedOperatorError(self.opcode, self.index, SUPPORTED_OPCODES, detail)

    def broken(self, detail: str) -> ModelError:
        """The error that says: no such operator can exist."""
        return ModelError(
            f"operator {self.index} of the model, {self.opcode}, is not consistent: {detail}. "
            "Convert the model again."
        )

    @property
    def placement(self) -> tuple[int, tuple[int, ...], int]:
        """``index``, ``inputs`` and ``output`` of the prepared operator."""
        read = tuple(value.index for value in self.inputs if isinstance(value, Tensor))
        return self.index, read, self.output.index

    def activation(self, position: int) -> Tensor:
        """Input ``position``, which the model computes."""
        tensor = self._input(position)
        if not isinstance(tensor, Tensor):
            raise self.unsupported(f"its input {position} is a constant")
        return tensor

    def constant(self, position: int, dtype: type[np.signedinteger], role: str) -> Constant:
        """Input ``position``, which lies in the file; ``role`` names it in errors ("filter")."""
        constant = self._input(position)
        if not isinstance(constant, Constant):
            raise self.unsupported(f"its {role} is not a constant")
        if constant.values.dtype != dtype:
            raise self.unsupported(
                f"its {role} '{constant.name}' is {constant.values.dtype}, not {np.dtype(dtype)}"
            )
        return constant

    def _input(self, position: int) -> Tensor | Constant:
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            raise self.broken(f"input {position} is missing")
        return value


def prepare(stored: StoredOp) -> Op:
    """The prepared operator. Raises UnsupportedOperatorError or ModelError.

    ``stored.opcode`` is one of :data:`~edgekit.graph.ir.SUPPORTED_OPCODES`.
    """
    counts, prepare_op = _PREPARE[stored.opcode]
    if len(stored.inputs) not in counts:
        raise stored.unsupported(f"with {len(stored.inputs)} inputs")
    return prepare_op(stored)


def _conv_2d(stored: StoredOp) -> Op:
    source, output, options = stored.activation(0), stored.output, stored.options
    weights = _weights(stored, rank=4, channel_axis=0)
    channels, height, width, depth = weights.values.shape
    _require_rank_4(stored, source)
    if source.shape[3] != depth:
        raise stored.unsupported(
            f"a grouped convolution: {source.shape[3]} input channels, filters of {depth}"
        )
    window = _window(
        stored, (height, width), (options.DilationHFactor(), options.DilationWFactor()), channels
    )
    activation_min, activation_max = _activation_range(stored)
    return Conv2D(
        *stored.placement,
        filter=weights.values.astype(np.int8, copy=False),
        bias=_bias(stored, channels),
        window=window,
        input_zero_point=source.zero_point,
        output_zero_point=output.zero_point,
        requantization=_product_requantization(stored, source, weights, channels),
        activation_min=activation_min,
        activation_max=activation_max,
    )


def _depthwise_conv_2d(stored: StoredOp) -> Op:
    source, output, options = stored.activation(0), stored.output, stored.options
    weights = _weights(stored, rank=4, channel_axis=3)
    batch, height, width, channels = weights.values.shape
    _require_rank_4(stored, source)
    depth_multiplier = options.DepthMultiplier()
    if batch != 1 or channels != source.shape[3] * depth_multiplier:
        raise stored.broken(
            f"a filter of shape {weights.values.shape} does not fit {source.shape[3]} input channels "
            f"with depth multiplier {depth_multiplier}"
        )
    window = _window(
        stored, (height, width), (options.DilationHFactor(), options.DilationWFactor()), channels
    )
    activation_min, activation_max = _activation_range(stored)
    return DepthwiseConv2D(
        *stored.placement,
        filter=weights.values.astype(np.int8, copy=False),
        bias=_bias(stored, channels),
        window=window,
        depth_multiplier=depth_multiplier,
        input_zero_point=source.zero_point,
        output_zero_point=output.zero_point,
        requantization=_product_requantization(stored, source, weights, channels),
        activation_min=activation_min,
        activation_max=activation_max,
    )


def _fully_connected(stored: StoredOp) -> Op:
    source, output = stored.activation(0), stored.output
    weights = _weights(stored, rank=2, channel_axis=0)
    channels, depth = weights.values.shape
    if stored.options.WeightsFormat() != 0:
        raise stored.unsupported("shuffled weights")
    if output.shape[-1] != channels or source.size_bytes * channels != output.size_bytes * depth:
        raise stored.broken(
            f"a filter of shape {weights.values.shape} does not lead from {source.shape} to {output.shape}"
        )
    bias = _bias(stored, channels)
    if weights.scales.size == 1:
        _check_bias_scale(stored, source, weights)
    activation_min, activation_max = _activation_range(stored)
    return FullyConnected(
        *stored.placement,
        filter=weights.values.astype(np.int8, copy=False),
        bias=bias,
        input_zero_point=source.zero_point,
        filter_zero_point=int(weights.zero_points[0]),
        output_zero_point=output.zero_point,
        requantization=_product_requantization(stored, source, weights, weights.scales.size),
        activation_min=activation_min,
        activation_max=activation_max,
    )


def _add(stored: StoredOp) -> Op:
    first, second, output = stored.activation(0), stored.activation(1), stored.output
    if not first.shape == second.shape == output.shape:
        raise stored.unsupported(f"broadcasting {first.shape} with {second.shape}")
    twice_max_input_scale = 2.0 * max(first.scale, second.scale)
    output_multiplier = twice_max_input_scale / (2**_ADD_LEFT_SHIFT * output.scale)
    if not output_multiplier < 1.0:
        raise stored.unsupported("an output scale 2**19 times smaller than an input scale")
    output_requantization = _requantization(stored, [output_multiplier])
    if int(output_requantization.shift[0]) > 0:
        raise stored.unsupported("an output scale 2**19 times smaller than an input scale")
    activation_min, activation_max = _activation_range(stored)
    return Add(
        *stored.placement,
        left_shift=_ADD_LEFT_SHIFT,
        input_zero_points=(first.zero_point, second.zero_point),
        input_requantizations=(
            _requantization(stored, [first.scale / twice_max_input_scale]),
            _requantization(stored, [second.scale / twice_max_input_scale]),
        ),
        output_zero_point=output.zero_point,
        output_requantization=output_requantization,
        activation_min=activation_min,
        activation_max=activation_max,
    )


def _average_pool_2d(stored: StoredOp) -> Op:
    window, activation_min, activation_max = _pooling(stored)
    return AveragePool2D(
        *stored.placement, window=window, activation_min=activation_min, activation_max=activation_max
    )


def _max_pool_2d(stored: StoredOp) -> Op:
    window, activation_min, activation_max = _pooling(stored)
    return MaxPool2D(
        *stored.placement, window=window, activation_min=activation_min, activation_max=activation_max
    )


def _pooling(stored: StoredOp) -> tuple[Window, int, int]:
    source, output, options = stored.activation(0), stored.output, stored.options
    _require_rank_4(stored, source)
    scale_change = abs(np.float32(source.scale) - np.float32(output.scale))
    if scale_change > 1e-6 or source.zero_point != output.zero_point:
        raise stored.unsupported("a change of scale or zero point from input to output")
    window = _window(stored, (options.FilterHeight(), options.FilterWidth()), (1, 1), source.shape[3])
    return window, *_activation_range(stored)


def _mean(stored: StoredOp) -> Op:
    source, output = stored.activation(0), stored.output
    _require_rank_4(stored, source)
    axes = stored.constant(1, np.int32, "list of axes").values.reshape(-1).tolist()
    if sorted(axis % 4 if -4 <= axis < 4 else axis for axis in axes) != [1, 2]:
        raise stored.unsupported(f"a mean over axes {axes[:4]}; only one over height and width (1, 2) is")
    batch, height, width, channels = source.shape
    if output.shape not in {(batch, channels), (batch, 1, 1, channels)}:
        raise stored.broken(f"the mean of {source.shape} over height and width is not {output.shape}")
    whole = _requantization(stored, [source.scale / output.scale])
    multiplier, shift = arithmetic.mean_multiplier(
        int(whole.multiplier[0]), int(whole.shift[0]), height * width
    )
    return Mean(
        *stored.placement,
        input_zero_point=source.zero_point,
        output_zero_point=output.zero_point,
        requantization=_fixed_point([(multiplier, shift)]),
    )


def _pad(stored: StoredOp) -> Op:
    source, output = stored.activation(0), stored.output
    paddings = stored.constant(1, np.int32, "list of paddings").values
    if paddings.shape != (len(source.shape), 2) or paddings.min() < 0 or paddings[0].any():
        raise stored.unsupported(
            f"paddings of shape {paddings.shape}; two numbers for each axis, none of them negative, are"
        )
    before, after = (tuple(column.tolist()) for column in paddings.T)
    padded = tuple(sum(sizes) for sizes in zip(before, source.shape, after, strict=True))
    if padded != output.shape:
        raise stored.broken(f"{source.shape} padded is {padded}, not {output.shape}")
    return Pad(*stored.placement, before=before, after=after, value=output.zero_point)


def _reshape(stored: StoredOp) -> Op:
    source, output = stored.activation(0), stored.output
    if len(stored.inputs) > 1:
        stored.constant(1, np.int32, "new shape")
    if source.size_bytes != output.size_bytes:
        raise stored.broken(f"{source.shape} cannot take the shape {output.shape}")
    return Reshape(*stored.placement)


def _softmax(stored: StoredOp) -> Op:
    source, output = stored.activation(0), stored.output
    if source.shape != output.shape:
        raise stored.broken(f"the softmax of {source.shape} is not {output.shape}")
    if source.shape[-1] > _MAX_SOFTMAX_ENTRIES:
        raise stored.unsupported(f"over {source.shape[-1]} entries; at most {_MAX_SOFTMAX_ENTRIES} are")
    if output.scale != 1 / 256 or output.zero_point != -128:
        raise stored.unsupported("its output must have scale 1/256 and zero point -128")
    beta = float(stored.options.Beta())
    try:
        multiplier, left_shift, diff_min = arithmetic.softmax_input_scaling(beta, source.scale)
    except ValueError as error:
        raise stored.unsupported(str(error)) from error
    return Softmax(*stored.placement, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)


def _require_rank_4(stored: StoredOp, source: Tensor) -> None:
    if len(source.shape) != 4 or (stored.opcode != "MEAN" and len(stored.output.shape) != 4):
        raise stored.broken(
            f"it leads from shape {source.shape} to {stored.output.shape}, which are not both NHWC"
        )


def _weights(stored: StoredOp, rank: int, channel_axis: int) -> Constant:
    """The filter: int8, quantized as a whole or along its output channels.

    Symmetric, because TFLM ignores a zero point; only a FULLY_CONNECTED quantized as a whole heeds it.
    """
    weights = stored.constant(1, np.int8, "filter")
    if weights.values.ndim != rank:
        raise stored.broken(f"its filter has shape {weights.values.shape}, not {rank} dimensions")
    scales = weights.scales
    heeded = stored.opcode == "FULLY_CONNECTED" and scales.size == weights.zero_points.size == 1
    if weights.zero_points.any() and not (heeded and -128 <= weights.zero_points[0] <= 127):
        raise stored.unsupported("a filter with a zero point other than 0")
    if scales.size == 0 or not np.all(np.isfinite(scales) & (scales > 0)):
        raise stored.broken("its filter has no scale, or one that is not a positive number")
    channels = weights.values.shape[channel_axis]
    if scales.size > 1 and (scales.size != channels or weights.quantized_dimension != channel_axis):
        raise stored.broken(
            f"its filter of shape {weights.values.shape} has {scales.size} scales along axis "
            f"{weights.quantized_dimension}, not one for each of the {channels} output channels"
        )
    return weights


def _bias(stored: StoredOp, channels: int) -> Int32Array:
    """The bias (``channels``,); zeros where the model has none."""
    if len(stored.inputs) < 3 or stored.inputs[2] is None:
        return np.zeros(channels, dtype=np.int32)
    bias = stored.constant(2, np.int32, "bias").values
    if bias.size != channels:
        raise stored.broken(f"its bias has {bias.size} entries for {channels} output channels")
    return bias.reshape(-1).astype(np.int32)


def _window(stored: StoredOp, size: tuple[int, int], dilation: tuple[int, int], channels: int) -> Window:
    """The window over H and W of input 0, checked against the output's shape (1, H, W, ``channels``)."""
    _, height, width, depth = stored.activation(0).shape
    strides = (stored.options.StrideH(), stored.options.StrideW())
    if min(*size, *strides, *dilation) < 1:
        raise stored.broken(f"window {size}, strides {strides} and dilation {dilation} must be at least 1")
    spans = [_span(stored, *axis) for axis in zip((height, width), size, strides, dilation, strict=True)]
    (rows, top, bottom), (columns, left, right) = spans
    if stored.output.shape != (1, rows, columns, channels):
        raise stored.broken(
            f"its output has shape {stored.output.shape}; the window leads to {(1, rows, columns, channels)}"
        )
    if (height + top + bottom) * (width + left + right) * depth > MAX_TENSOR_BYTES:
        raise stored.unsupported(f"more than {MAX_TENSOR_BYTES:,} bytes of padded input")
    # Between the taps of a single one nothing is left out, however large the number that the file has.
    rate_y, rate_x = (rate if taps > 1 else 1 for taps, rate in zip(size, dilation, strict=True))
    return Window(*size, *strides, rate_y, rate_x, top, bottom, left, right)


def _span(stored: StoredOp, extent: int, size: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """Number of window positions along an axis, and padding before and after (``kernels/padding.h``)."""
    covered = (size - 1) * dilation + 1
    padding = stored.options.Padding()
    if padding == _PADDING_SAME:
        count = -(-extent // stride)
    elif padding == _PADDING_VALID:
        count = (extent + stride - covered) // stride
    else:
        raise stored.broken(f"padding scheme {padding} does not exist")
    missing = max((count - 1) * stride + covered - extent, 0)
    return count, missing // 2, missing - missing // 2


def _activation_range(stored: StoredOp) -> tuple[int, int]:
    """int8 bounds of the fused activation: zero_point + round(bound / scale), the quotient in float32."""
    activation = stored.options.FusedActivationFunction()
    if activation not in _ACTIVATION_BOUNDS:
        raise stored.unsupported(f"fused activation number {activation}")
    lower, upper = _ACTIVATION_BOUNDS[activation]
    return (
        -128 if lower is None else max(-128, _quantize(stored, lower)),
        127 if upper is None else min(127, _quantize(stored, upper)),
    )


def _quantize(stored: StoredOp, real: float) -> int:
    with np.errstate(over="ignore"):
        quotient = float(np.float32(real) / np.float32(stored.output.scale))
    if abs(quotient) > arithmetic.INT32_MAX:
        raise stored.broken(f"its output scale {stored.output.scale} is too small for its activation")
    rounded = math.floor(abs(quotient) + 0.5)
    return stored.output.zero_point + (rounded if quotient > 0 else -rounded)


def _product_requantization(
    stored: StoredOp, source: Tensor, weights: Constant, entries: int
) -> Requantization:
    """Input scale · filter scale / output scale, all in double, ``entries`` times.

    A single filter scale serves every entry. (TFLM before autumn 2026 multiplied a FULLY_CONNECTED's two
    scales in float32, which changes about one output byte in 100,000.)
    """
    scales = np.broadcast_to(weights.scales, (entries,)).tolist()
    return _requantization(stored, [source.scale * scale / stored.output.scale for scale in scales])


def _check_bias_scale(stored: StoredOp, source: Tensor, weights: Constant) -> None:
    """A per-tensor FULLY_CONNECTED's bias must have the scale input · filter, within 2 % of the output's."""
    bias = stored.inputs[2] if len(stored.inputs) > 2 else None
    if not isinstance(bias, Constant):
        return
    bias_scale = float(bias.scales[0]) if bias.scales.size else 0.0
    difference = abs(source.scale * float(weights.scales[0]) - bias_scale)
    if not difference / stored.output.scale <= 0.02:
        raise stored.broken(f"the scale {bias_scale} of its bias is not that of input times filter")


def _requantization(stored: StoredOp, reals: list[float]) -> Requantization:
    if not all(map(math.isfinite, reals)):
        raise stored.broken("its scales multiply to infinity")
    pairs = [arithmetic.quantize_multiplier(real) for real in reals]
    if max(shift for _, shift in pairs) > _MAX_SHIFT:
        raise stored.broken("its output scale is more than 2**30 times smaller than its input's")
    return _fixed_point(pairs)


def _fixed_point(pairs: list[tuple[int, int]]) -> Requantization:
    multipliers, shifts = zip(*pairs, strict=True)
    return Requantization(np.array(multipliers, dtype=np.int32), np.array(shifts, dtype=np.int32))


# For each operator the possible numbers of inputs, and its function.
_PREPARE: Mapping[str, tuple[tuple[int, ...], Callable[[StoredOp], Op]]] = {
    "ADD": ((2,), _add),
    "AVERAGE_POOL_2D": ((1,), _average_pool_2d),
    "CONV_2D": ((2, 3), _conv_2d),
    "DEPTHWISE_CONV_2D": ((2, 3), _depthwise_conv_2d),
    "FULLY_CONNECTED": ((2, 3), _fully_connected),
    "MAX_POOL_2D": ((1,), _max_pool_2d),
    "MEAN": ((2,), _mean),
    "PAD": ((2,), _pad),
    "RESHAPE": ((1, 2), _reshape),
    "SOFTMAX": ((1,), _softmax),
}
