"""Which kernel runs an operator, and with which parameters: the bridge from the graph to ek_kernels.h.

Everything is computed here, ahead of time; the kernels check nothing. A value that does not fit its field
of the C struct is an error of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgekit.codegen.rows import own_rows, pad_extents
from edgekit.errors import ModelError
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
    Reshape,
    Softmax,
    Window,
)

KERNELS_VERSION = 2
"""EK_KERNELS_VERSION of the ek_kernels.h that these parameters are for."""

_POINTER_BYTES = 4


@dataclass(frozen=True)
class ConstantArray:
    """A constant array of an operator. ``role`` is the field that points to it, ``layout`` its axes."""

    role: str
    element_type: str
    values: NDArray[Any]
    layout: str

    @property
    def size_bytes(self) -> int:
        """Bytes in flash."""
        return int(self.values.size) * _integer_bytes(self.element_type)


@dataclass(frozen=True)
class Integer:
    """A field of an integer type: ``int8_t``, ``uint8_t``, ``int16_t``, … as C calls it."""

    type_name: str
    value: int


@dataclass(frozen=True)
class Struct:
    """Fields in the order of the C struct. Elements of arrays and of an ``ek_shape`` have no name: ''."""

    fields: tuple[tuple[str, Value], ...]


Value: TypeAlias = Integer | ConstantArray | Struct


@dataclass(frozen=True)
class KernelCall:
    """``function(&params, rows, output, scratch)`` for each row, from ``source`` (a file of firmware/).

    ``scratch_bytes`` are needed while it runs. Rows lie at multiples of ``alignment`` bytes. ``outside`` is
    the value of the elements of rows that stand in for those outside the input; None: the kernel wants no
    such rows, and gets NULL.
    """

    function: str
    source: str
    params_type: str
    params: Struct
    scratch_bytes: int = 0
    alignment: int = 1
    outside: int | None = None

    @property
    def params_bytes(self) -> int:
        """Bytes of the parameters in flash, where pointers have 32 bits."""
        size_bytes, _ = _layout(self.params)
        return size_bytes

    def constants(self) -> tuple[ConstantArray, ...]:
        """The arrays that the parameters point to."""
        return tuple(_constants(self.params))


def kernel_call(graph: Graph, op: Op) -> KernelCall | None:
    """How the ahead-of-time engine runs ``op``; None for RESHAPE, which moves no byte.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    if isinstance(op, Reshape):
        return None
    params = _params(op, graph)
    _check_ranges(op, params)
    name = op.opcode.lower()
    params_type = _SHARED_PARAMS_TYPES.get(op.opcode, f"ek_{name}")
    return KernelCall(f"ek_{name}_s8", f"kernels/{name}.c", params_type, params)


# Where a struct does not have the name of its operator.
_SHARED_PARAMS_TYPES = {"AVERAGE_POOL_2D": "ek_pool_2d", "MAX_POOL_2D": "ek_pool_2d"}


@singledispatch
def _params(op: Op, graph: Graph) -> Struct:
    raise TypeError(f"{type(op).__name__} has no kernel parameters")


@_params.register
def _conv_2d(op: Conv2D, graph: Graph) -> Struct:
    return _struct(
        input=_row_shape(graph, op.inputs[0]),
        output=_row_shape(graph, op.output),
        window=_window(op.window),
        input_zero_point=_int8(op.input_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"OHWI {_dims(op.filter.shape)}"),
        stage=_output_stage(op),
    )


@_params.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> Struct:
    return _struct(
        input=_row_shape(graph, op.inputs[0]),
        output=_row_shape(graph, op.output),
        window=_window(op.window),
        depth_multiplier=_uint16(op.depth_multiplier),
        input_zero_point=_int8(op.input_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"HWO {_dims(op.filter.shape[1:])}"),
        stage=_output_stage(op),
    )


@_params.register
def _fully_connected(op: FullyConnected, graph: Graph) -> Struct:
    output_depth, input_depth = op.filter.shape
    return _struct(
        input_depth=_uint32(input_depth),
        output_depth=_uint32(output_depth),
        input_zero_point=_int8(op.input_zero_point),
        weights_zero_point=_int8(op.filter_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"OI {_dims(op.filter.shape)}"),
        stage=_output_stage(op),
    )


@_params.register
def _add(op: Add, graph: Graph) -> Struct:
    operands = tuple(
        _struct(
            multiplier=Integer("int32_t", _only(requantization.multiplier)),
            shift=_int8(_only(requantization.shift)),
            zero_point=_int8(zero_point),
        )
        for requantization, zero_point in zip(op.input_requantizations, op.input_zero_points, strict=True)
    )
    return _struct(
        size=_uint32(own_rows(graph.tensors[op.output]).row_bytes),
        operands=_array(operands),
        output_multiplier=Integer("int32_t", _only(op.output_requantization.multiplier)),
        output_shift=_int8(_only(op.output_requantization.shift)),
        output_zero_point=_int8(op.output_zero_point),
        activation_min=_int8(op.activation_min),
        activation_max=_int8(op.activation_max),
        left_shift=Integer("uint8_t", op.left_shift),
    )


@_params.register
def _pool_2d(op: AveragePool2D | MaxPool2D, graph: Graph) -> Struct:
    return _struct(
        input=_row_shape(graph, op.inputs[0]),
        output=_row_shape(graph, op.output),
        window=_window(op.window),
        activation_min=_int8(op.activation_min),
        activation_max=_int8(op.activation_max),
    )


@_params.register
def _mean(op: Mean, graph: Graph) -> Struct:
    return _struct(
        input=_row_shape(graph, op.inputs[0]),
        height=_uint16(graph.tensors[op.inputs[0]].shape[1]),
        multiplier=Integer("int32_t", _only(op.requantization.multiplier)),
        shift=_int8(_only(op.requantization.shift)),
        input_zero_point=_int8(op.input_zero_point),
        output_zero_point=_int8(op.output_zero_point),
    )


@_params.register
def _pad(op: Pad, graph: Graph) -> Struct:
    (_, _, width, channels), before, after = pad_extents(op, graph)
    return _struct(
        input=_array(map(_uint16, (width, channels))),
        columns_before=_uint16(before[2]),
        columns_after=_uint16(after[2]),
        channels_before=_uint16(before[3]),
        channels_after=_uint16(after[3]),
        value=_int8(op.value),
    )


@_params.register
def _softmax(op: Softmax, graph: Graph) -> Struct:
    return _struct(
        depth=_uint32(graph.tensors[op.output].shape[-1]),
        multiplier=Integer("int32_t", op.multiplier),
        left_shift=Integer("uint8_t", op.left_shift),
        # Two int8 differ by 255 at most: any smaller bound means the same.
        diff_min=Integer("int16_t", max(op.diff_min, -256)),
    )


def accumulate_call(graph: Graph, op: Op) -> KernelCall:
    """Takes up a row of the image in the sums of its channels."""
    params = _struct(input=_row_shape(graph, op.inputs[0]))
    _check_ranges(op, params)
    return KernelCall("ek_accumulate_s8", "kernels/accumulate.c", "ek_accumulate", params)


def mean_of_sums_call(graph: Graph, op: AveragePool2D | Mean) -> KernelCall:
    """Makes the outputs of ``op`` of those sums."""
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    if isinstance(op, Mean):
        name = "mean_of_sums"
        params = _struct(
            channels=_uint16(channels),
            offset=Integer("int32_t", -op.input_zero_point * height * width),
            multiplier=Integer("int32_t", _only(op.requantization.multiplier)),
            shift=_int8(_only(op.requantization.shift)),
            output_zero_point=_int8(op.output_zero_point),
        )
    else:
        name = "average_of_sums"
        params = _struct(
            channels=_uint16(channels),
            count=Integer("int32_t", height * width),
            activation_min=_int8(op.activation_min),
            activation_max=_int8(op.activation_max),
        )
    _check_ranges(op, params)
    return KernelCall(f"ek_{name}_s8", f"kernels/{name}.c", f"ek_{name}", params)


def _check_ranges(op: Op, value: Value, name: str = "") -> None:
    """Raises ModelError where an integer of ``value`` does not fit its C type."""
    if isinstance(value, Struct):
        for field_name, field in value.fields:
            _check_ranges(op, field, field_name or name)
        return
    type_name = value.type_name if isinstance(value, Integer) else value.element_type
    limits = np.iinfo(type_name.removesuffix("_t"))
    numbers = np.asarray(value.value if isinstance(value, Integer) else value.values)
    if numbers.size and not limits.min <= int(numbers.min()) <= int(numbers.max()) <= limits.max:
        raise ModelError(
            f"operator {op.index} of the model, {op.opcode}, is too large for the ahead-of-time engine: "
            f"its {name} reaches from {numbers.min()} to {numbers.max()}, {limits.min} to {limits.max} fit. "
            "Use a smaller model."
        )


def _layout(value: Value) -> tuple[int, int]:
    """Size and alignment of ``value`` in C: every number lies at a multiple of its own size."""
    if isinstance(value, Integer):
        return (_integer_bytes(value.type_name),) * 2
    if isinstance(value, ConstantArray):
        return (_POINTER_BYTES,) * 2
    end, strictest = 0, 1
    for _, field in value.fields:
        size_bytes, alignment = _layout(field)
        end += -end % alignment + size_bytes
        strictest = max(strictest, alignment)
    return end + -end % strictest, strictest


def _integer_bytes(type_name: str) -> int:
    return np.dtype(type_name.removesuffix("_t")).itemsize


def _constants(value: Value) -> Iterator[ConstantArray]:
    if isinstance(value, ConstantArray):
        yield value
    elif isinstance(value, Struct):
        for _, field in value.fields:
            yield from _constants(field)


def _output_stage(op: Conv2D | DepthwiseConv2D | FullyConnected) -> Struct:
    multiplier, shift = op.requantization.multiplier, op.requantization.shift
    channels = f"{op.bias.size} output channels"
    per_channel = multiplier.size == op.bias.size
    entries = channels if per_channel else "1 for all output channels"
    return _struct(
        bias=ConstantArray("bias", "int32_t", op.bias, channels),
        multiplier=ConstantArray("multiplier", "int32_t", multiplier, entries),
        shift=ConstantArray("shift", "int8_t", shift, entries),
        per_channel=Integer("uint8_t", int(per_channel)),
        zero_point=_int8(op.output_zero_point),
        activation_min=_int8(op.activation_min),
        activation_max=_int8(op.activation_max),
    )


def _window(window: Window) -> Struct:
    return _struct(
        height=_uint16(window.height),
        width=_uint16(window.width),
        stride=_uint16(window.stride_width),
        dilation=_uint16(window.dilation_width),
        pad_left=_uint16(window.pad_left),
    )


def _row_shape(graph: Graph, index: int) -> Struct:
    """``ek_row_shape`` of an NHWC activation."""
    _, _, width, channels = graph.tensors[index].shape
    return _array(map(_uint16, (width, channels)))


def _struct(**fields: Value) -> Struct:
    return Struct(tuple(fields.items()))


def _array(elements: Iterable[Value]) -> Struct:
    return Struct(tuple(("", element) for element in elements))


def _int8(value: int) -> Integer:
    return Integer("int8_t", value)


def _uint16(value: int) -> Integer:
    return Integer("uint16_t", value)


def _uint32(value: int) -> Integer:
    return Integer("uint32_t", value)


def _only(values: NDArray[np.int32]) -> int:
    (value,) = values.tolist()
    return int(value)


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
