"""The portable kernels of firmware/kernels/: one for every operator. They define the results."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from edgekit.codegen.kernels.geometry import row_shape, window_struct
from edgekit.codegen.kernels.values import (
    ConstantArray,
    Integer,
    KernelCall,
    Struct,
    array,
    check_ranges,
    dims,
    int8,
    only,
    struct,
    uint16,
    uint32,
)
from edgekit.codegen.rows import own_rows, pad_extents
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
    Softmax,
)


def kernel_call(graph: Graph, op: Op) -> KernelCall:
    """How ``op``, which is no RESHAPE, runs on any core.

    Raises ModelError where a number does not fit the kernel's parameters.
    """
    params = _params(op, graph)
    check_ranges(op, params)
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
    return struct(
        input=row_shape(graph, op.inputs[0]),
        output=row_shape(graph, op.output),
        window=window_struct(op.window),
        input_zero_point=int8(op.input_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"OHWI {dims(op.filter.shape)}"),
        stage=_output_stage(op),
    )


@_params.register
def _depthwise_conv_2d(op: DepthwiseConv2D, graph: Graph) -> Struct:
    return struct(
        input=row_shape(graph, op.inputs[0]),
        output=row_shape(graph, op.output),
        window=window_struct(op.window),
        depth_multiplier=uint16(op.depth_multiplier),
        input_zero_point=int8(op.input_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"HWO {dims(op.filter.shape[1:])}"),
        stage=_output_stage(op),
    )


@_params.register
def _fully_connected(op: FullyConnected, graph: Graph) -> Struct:
    output_depth, input_depth = op.filter.shape
    return struct(
        input_depth=uint32(input_depth),
        output_depth=uint32(output_depth),
        input_zero_point=int8(op.input_zero_point),
        weights_zero_point=int8(op.filter_zero_point),
        weights=ConstantArray("weights", "int8_t", op.filter, f"OI {dims(op.filter.shape)}"),
        stage=_output_stage(op),
    )


@_params.register
def _add(op: Add, graph: Graph) -> Struct:
    operands = tuple(
        struct(
            multiplier=Integer("int32_t", only(requantization.multiplier)),
            shift=int8(only(requantization.shift)),
            zero_point=int8(zero_point),
        )
        for requantization, zero_point in zip(op.input_requantizations, op.input_zero_points, strict=True)
    )
    return struct(
        size=uint32(own_rows(graph.tensors[op.output]).row_bytes),
        operands=array(operands),
        output_multiplier=Integer("int32_t", only(op.output_requantization.multiplier)),
        output_shift=int8(only(op.output_requantization.shift)),
        output_zero_point=int8(op.output_zero_point),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
        left_shift=Integer("uint8_t", op.left_shift),
    )


@_params.register
def _pool_2d(op: AveragePool2D | MaxPool2D, graph: Graph) -> Struct:
    return struct(
        input=row_shape(graph, op.inputs[0]),
        output=row_shape(graph, op.output),
        window=window_struct(op.window),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )


@_params.register
def _mean(op: Mean, graph: Graph) -> Struct:
    return struct(
        input=row_shape(graph, op.inputs[0]),
        height=uint16(graph.tensors[op.inputs[0]].shape[1]),
        multiplier=Integer("int32_t", only(op.requantization.multiplier)),
        shift=int8(only(op.requantization.shift)),
        input_zero_point=int8(op.input_zero_point),
        output_zero_point=int8(op.output_zero_point),
    )


@_params.register
def _pad(op: Pad, graph: Graph) -> Struct:
    (_, _, width, channels), before, after = pad_extents(op, graph)
    return struct(
        input=array(map(uint16, (width, channels))),
        columns_before=uint16(before[2]),
        columns_after=uint16(after[2]),
        channels_before=uint16(before[3]),
        channels_after=uint16(after[3]),
        value=int8(op.value),
    )


@_params.register
def _softmax(op: Softmax, graph: Graph) -> Struct:
    return struct(
        depth=uint32(graph.tensors[op.output].shape[-1]),
        multiplier=Integer("int32_t", op.multiplier),
        left_shift=Integer("uint8_t", op.left_shift),
        # Two int8 differ by 255 at most: any smaller bound means the same.
        diff_min=Integer("int16_t", max(op.diff_min, -256)),
    )


def accumulate_call(graph: Graph, op: Op) -> KernelCall:
    """Takes up a row of the image in the sums of its channels."""
    params = struct(input=row_shape(graph, op.inputs[0]))
    check_ranges(op, params)
    return KernelCall("ek_accumulate_s8", "kernels/accumulate.c", "ek_accumulate", params)


def taken_over(call: KernelCall, family: str, header: str) -> KernelCall:
    """The kernel of that ``family`` that takes the very parameters of the portable one of ``call``."""
    return replace(
        call,
        function=call.function.replace("ek_", f"ek_{family}_", 1),
        source=call.source.replace("kernels/", f"kernels/{family}/", 1),
        header=header,
    )


def mean_of_sums_call(graph: Graph, op: AveragePool2D | Mean) -> KernelCall:
    """Makes the outputs of ``op`` of those sums."""
    _, height, width, channels = graph.tensors[op.inputs[0]].shape
    if isinstance(op, Mean):
        name = "mean_of_sums"
        params = struct(
            channels=uint16(channels),
            offset=Integer("int32_t", -op.input_zero_point * height * width),
            multiplier=Integer("int32_t", only(op.requantization.multiplier)),
            shift=int8(only(op.requantization.shift)),
            output_zero_point=int8(op.output_zero_point),
        )
    else:
        name = "average_of_sums"
        params = struct(
            channels=uint16(channels),
            count=Integer("int32_t", height * width),
            activation_min=int8(op.activation_min),
            activation_max=int8(op.activation_max),
        )
    check_ranges(op, params)
    return KernelCall(f"ek_{name}_s8", f"kernels/{name}.c", f"ek_{name}", params)


def _output_stage(op: Conv2D | DepthwiseConv2D | FullyConnected) -> Struct:
    multiplier, shift = op.requantization.multiplier, op.requantization.shift
    channels = f"{op.bias.size} output channels"
    per_channel = multiplier.size == op.bias.size
    entries = channels if per_channel else "1 for all output channels"
    return struct(
        bias=ConstantArray("bias", "int32_t", op.bias, channels),
        multiplier=ConstantArray("multiplier", "int32_t", multiplier, entries),
        shift=ConstantArray("shift", "int8_t", shift, entries),
        per_channel=Integer("uint8_t", int(per_channel)),
        zero_point=int8(op.output_zero_point),
        activation_min=int8(op.activation_min),
        activation_max=int8(op.activation_max),
    )
