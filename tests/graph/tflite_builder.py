"""Builds small int8 ``.tflite`` models for tests, one operator or several, with arbitrary parameters.

:class:`ModelBuilder` writes tensors and operators; the functions below it make models of one operator
and compute the shape of its output as TensorFlow does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Pair = tuple[int, int]
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


@dataclass(frozen=True)
class Quantized:
    """real = scale * (q - zero_point)."""

    scale: float = 0.05
    zero_point: int = 0


class ModelBuilder:
    """Collects tensors and operators; tensors are named by the index that adding them returns."""

    def __init__(self) -> None:
        self.subgraph = schema.SubGraphT()
        self.subgraph.name = "main"
        self.subgraph.tensors = []
        self.subgraph.operators = []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.subgraphs = [self.subgraph]
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []

    def activation(self, name: str, shape: Sequence[int], quantized: Quantized) -> int:
        return self._tensor(name, shape, "INT8", [quantized.scale], [quantized.zero_point], 0, buffer=0)

    def constant(
        self,
        name: str,
        values: NDArray[Any],
        scales: Sequence[float] = (),
        axis: int = 0,
        zero_point: int = 0,
    ) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        number = len(self.model.buffers) - 1
        type_name = values.dtype.name.upper()
        return self._tensor(name, values.shape, type_name, scales, [zero_point] * len(scales), axis, number)

    def operator(self, opcode: str, inputs: Sequence[int], output: int, options: Any = None) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._operator_code(getattr(schema.BuiltinOperator, opcode))
        operator.inputs = list(inputs)
        operator.outputs = [output]
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
            operator.builtinOptions = options
        self.subgraph.operators.append(operator)

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        self.subgraph.inputs = list(inputs)
        self.subgraph.outputs = list(outputs)
        return packed(self.model)

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        type_name: str,
        scales: Sequence[float],
        zero_points: Sequence[int],
        axis: int,
        buffer: int,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = list(shape)
        tensor.type = getattr(schema.TensorType, type_name)
        tensor.buffer = buffer
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array(scales, dtype=np.float32)
            tensor.quantization.zeroPoint = np.array(zero_points, dtype=np.int64)
            tensor.quantization.quantizedDimension = axis
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def _operator_code(self, number: int) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def packed(model: schema.ModelT) -> bytes:
    """The file of ``model``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def edited(model: bytes, edit: Callable[[schema.ModelT], None]) -> bytes:
    """``model`` after ``edit`` changed its tables in place."""
    tables = schema.ModelT.InitFromPackedBuf(model, 0)
    edit(tables)
    return packed(tables)


def convolution(
    opcode: str,
    input_shape: Sequence[int],
    filter_values: NDArray[np.int8],
    *,
    bias: NDArray[np.int32] | None = None,
    filter_scales: Sequence[float] = (0.01,),
    input_quantized: Quantized = Quantized(),
    output_quantized: Quantized = Quantized(),
    padding: str = "SAME",
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    activation: str = "NONE",
) -> bytes:
    """One CONV_2D (``filter_values`` OHWI) or DEPTHWISE_CONV_2D (1HWO)."""
    depthwise = opcode == "DEPTHWISE_CONV_2D"
    axis = 3 if depthwise else 0
    channels = filter_values.shape[axis]
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    set_window(options, padding, strides, activation)
    options.dilationHFactor, options.dilationWFactor = dilation
    if depthwise:
        options.depthMultiplier = channels // input_shape[3]

    size = filter_values.shape[1:3]
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, input_quantized)
    inputs = [source, builder.constant("filter", filter_values, filter_scales, axis)]
    if bias is not None:
        scales = [input_quantized.scale * scale for scale in filter_scales]
        inputs.append(builder.constant("bias", bias, scales))
    spatial = output_size(input_shape, size, padding, strides, dilation)
    output = builder.activation("output", (1, *spatial, channels), output_quantized)
    builder.operator(opcode, inputs, output, options)
    return builder.build([source], [output])


def fully_connected(
    input_shape: Sequence[int],
    filter_values: NDArray[np.int8],
    *,
    output_shape: Sequence[int] | None = None,
    bias: NDArray[np.int32] | None = None,
    filter_scales: Sequence[float] = (0.01,),
    filter_zero_point: int = 0,
    input_quantized: Quantized = Quantized(),
    output_quantized: Quantized = Quantized(),
    activation: str = "NONE",
) -> bytes:
    """One FULLY_CONNECTED; ``filter_values`` (O, I)."""
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, input_quantized)
    weights = builder.constant("filter", filter_values, filter_scales, zero_point=filter_zero_point)
    inputs = [source, weights]
    if bias is not None:
        scales = [float(np.float32(input_quantized.scale) * np.float32(scale)) for scale in filter_scales]
        inputs.append(builder.constant("bias", bias, scales))
    output = builder.activation("output", output_shape or (1, len(filter_values)), output_quantized)
    builder.operator("FULLY_CONNECTED", inputs, output, options)
    return builder.build([source], [output])


def pool(
    opcode: str,
    input_shape: Sequence[int],
    size: Pair,
    *,
    quantized: Quantized = Quantized(),
    padding: str = "VALID",
    strides: Pair = (1, 1),
    activation: str = "NONE",
) -> bytes:
    """One AVERAGE_POOL_2D or MAX_POOL_2D."""
    options = schema.Pool2DOptionsT()
    set_window(options, padding, strides, activation)
    options.filterHeight, options.filterWidth = size
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, quantized)
    spatial = output_size(input_shape, size, padding, strides, (1, 1))
    output = builder.activation("output", (1, *spatial, input_shape[3]), quantized)
    builder.operator(opcode, [source], output, options)
    return builder.build([source], [output])


def add(
    shape: Sequence[int],
    first: Quantized = Quantized(),
    second: Quantized = Quantized(),
    output: Quantized = Quantized(),
    activation: str = "NONE",
) -> bytes:
    """One ADD of two inputs of one shape."""
    options = schema.AddOptionsT()
    options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
    builder = ModelBuilder()
    sources = [builder.activation("first", shape, first), builder.activation("second", shape, second)]
    result = builder.activation("output", shape, output)
    builder.operator("ADD", sources, result, options)
    return builder.build(sources, [result])


def mean(
    input_shape: Sequence[int],
    input_quantized: Quantized = Quantized(),
    output_quantized: Quantized = Quantized(),
    axes: Sequence[int] = (1, 2),
    keep_dims: bool = False,
) -> bytes:
    """One MEAN over height and width."""
    options = schema.ReducerOptionsT()
    options.keepDims = keep_dims
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, input_quantized)
    indices = builder.constant("axes", np.array(axes, dtype=np.int32))
    kept = (1, 1, 1, input_shape[3]) if keep_dims else (1, input_shape[3])
    output = builder.activation("output", kept, output_quantized)
    builder.operator("MEAN", [source, indices], output, options)
    return builder.build([source], [output])


def pad(input_shape: Sequence[int], paddings: Sequence[Pair], quantized: Quantized = Quantized()) -> bytes:
    """One PAD; ``paddings`` gives elements before and after on each axis."""
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, quantized)
    amounts = builder.constant("paddings", np.array(paddings, dtype=np.int32))
    shape = [size + sum(amount) for size, amount in zip(input_shape, paddings, strict=True)]
    output = builder.activation("output", shape, quantized)
    builder.operator("PAD", [source, amounts], output, schema.PadOptionsT())
    return builder.build([source], [output])


def softmax(shape: Sequence[int], quantized: Quantized = Quantized(), beta: float = 1.0) -> bytes:
    """One SOFTMAX over the last axis."""
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    builder = ModelBuilder()
    source = builder.activation("input", shape, quantized)
    output = builder.activation("output", shape, Quantized(1 / 256, -128))
    builder.operator("SOFTMAX", [source], output, options)
    return builder.build([source], [output])


def reshape(input_shape: Sequence[int], output_shape: Sequence[int]) -> bytes:
    """One RESHAPE."""
    options = schema.ReshapeOptionsT()
    options.newShape = list(output_shape)
    builder = ModelBuilder()
    source = builder.activation("input", input_shape, Quantized())
    shape = builder.constant("shape", np.array(output_shape, dtype=np.int32))
    output = builder.activation("output", output_shape, Quantized())
    builder.operator("RESHAPE", [source, shape], output, options)
    return builder.build([source], [output])


def set_window(options: Any, padding: str, strides: Pair, activation: str) -> None:
    options.padding = getattr(schema.Padding, padding)
    options.strideH, options.strideW = strides
    options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)


def output_size(
    input_shape: Sequence[int], size: Pair, padding: str, strides: Pair, dilation: Pair
) -> list[int]:
    """TensorFlow's output height and width: ceil(in / stride), or ceil((in - covered + 1) / stride)."""
    covered = [(extent - 1) * rate + 1 for extent, rate in zip(size, dilation, strict=True)]
    room = [
        extent if padding == "SAME" else extent - cover + 1
        for extent, cover in zip(input_shape[1:3], covered, strict=True)
    ]
    return [-(-extent // stride) for extent, stride in zip(room, strides, strict=True)]


ONE_OPERATOR: Mapping[str, bytes] = {
    "ADD": add((1, 4)),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D", (1, 4, 4, 1), (2, 2)),
    "CONV_2D": convolution("CONV_2D", (1, 4, 4, 1), np.ones((1, 2, 2, 1), np.int8)),
    "DEPTHWISE_CONV_2D": convolution("DEPTHWISE_CONV_2D", (1, 4, 4, 1), np.ones((1, 2, 2, 1), np.int8)),
    "FULLY_CONNECTED": fully_connected((1, 4), np.ones((2, 4), np.int8)),
    "MAX_POOL_2D": pool("MAX_POOL_2D", (1, 4, 4, 1), (2, 2)),
    "MEAN": mean((1, 3, 3, 2), keep_dims=True),
    "PAD": pad((1, 4), [(0, 0), (1, 1)]),
    "RESHAPE": reshape((1, 4), (1, 2, 2)),
    "SOFTMAX": softmax((1, 4)),
}
"""The smallest model of each operator."""
