"""What the reader makes of sound models, and the sentence with which it refuses others."""

import hashlib
import itertools

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from graph import tflite_builder as build
from graph.tflite_builder import ModelBuilder, Quantized, edited, packed

from edgekit.errors import ModelError, UnsupportedOperatorError
from edgekit.graph.ir import Conv2D
from edgekit.graph.tflite import read_tflite

CONVOLUTION = build.convolution(
    "CONV_2D",
    (1, 6, 5, 2),
    np.ones((3, 3, 3, 2), dtype=np.int8),
    bias=np.array([1, 2, 3], dtype=np.int32),
    filter_scales=[0.01, 0.02, 0.03],
    strides=(2, 2),
    activation="RELU6",
)
DENSE = build.fully_connected((1, 4), np.ones((2, 4), dtype=np.int8), bias=np.array([1, 2], dtype=np.int32))


def test_prepared_convolution():
    graph = read_tflite(CONVOLUTION, "conv")
    (op,) = graph.ops
    assert isinstance(op, Conv2D)
    assert (graph.name, graph.sha256) == ("conv", hashlib.sha256(CONVOLUTION).hexdigest())
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    assert (op.inputs, op.output, op.opcode) == ((0,), 3, "CONV_2D")
    assert graph.tensors[0].shape == (1, 6, 5, 2)
    assert graph.tensors[3].shape == (1, 3, 3, 3)
    assert set(graph.tensors) == {0, 3}
    window = op.window
    assert (window.pad_top, window.pad_bottom, window.pad_left, window.pad_right) == (0, 1, 1, 1)
    assert (op.activation_min, op.activation_max) == (0, 120)
    assert op.bias.tolist() == [1, 2, 3]
    assert op.requantization.multiplier.shape == op.requantization.shift.shape == (3,)


def test_per_tensor_filter_scale_serves_every_channel_of_a_convolution():
    model = build.convolution("CONV_2D", (1, 2, 2, 1), np.ones((3, 1, 1, 1), dtype=np.int8))
    (op,) = read_tflite(model, "conv").ops
    assert op.requantization.multiplier.size == 3
    assert len(set(op.requantization.multiplier.tolist())) == 1


@pytest.mark.parametrize(("size", "kept"), [((1, 3), (1, 2)), ((3, 1), (4, 1)), ((1, 1), (1, 1))])
def test_dilation_of_a_single_tap_is_1(size, kept):
    """It means nothing, and a kernel that multiplies by it could overflow."""
    given = tuple(rate if taps > 1 else 2**30 for taps, rate in zip(size, (4, 2), strict=True))
    model = build.convolution("CONV_2D", (1, 9, 6, 1), np.ones((1, *size, 1), np.int8), dilation=given)
    (op,) = read_tflite(model, "conv").ops
    assert (op.window.dilation_height, op.window.dilation_width) == kept


def test_optional_bias_given_as_minus_one_is_zeros():
    def leave_out_bias(model):
        model.subgraphs[0].operators[0].inputs = [0, 1, -1]

    (op,) = read_tflite(edited(CONVOLUTION, leave_out_bias), "conv").ops
    assert op.bias.tolist() == [0, 0, 0]


def test_opcode_in_the_narrow_field_alone_is_understood():
    def age(model):
        model.operatorCodes[0].builtinCode = 0

    (op,) = read_tflite(edited(CONVOLUTION, age), "conv").ops
    assert op.opcode == "CONV_2D"


def test_names_are_made_printable():
    def rename(model):
        model.subgraphs[0].tensors[0].name = "in\x1b[31m\nput"

    graph = read_tflite(edited(CONVOLUTION, rename), "conv")
    assert graph.tensors[0].name == r"in\x1b[31m\x0aput"


def tensor_edit(index, **fields):
    def edit(model):
        for name, value in fields.items():
            setattr(model.subgraphs[0].tensors[index], name, value)

    return edit


def quantization_edit(index, **fields):
    def edit(model):
        for name, value in fields.items():
            values = np.array(value, dtype=np.int64 if name == "zeroPoint" else np.float32)
            setattr(model.subgraphs[0].tensors[index].quantization, name, values)

    return edit


def operator_edit(**fields):
    def edit(model):
        for name, value in fields.items():
            setattr(model.subgraphs[0].operators[0], name, value)

    return edit


def options_edit(**fields):
    def edit(model):
        for name, value in fields.items():
            setattr(model.subgraphs[0].operators[0].builtinOptions, name, value)

    return edit


def two_subgraphs(model):
    model.subgraphs.append(model.subgraphs[0])


def version_2(model):
    model.version = 2


def no_inputs(model):
    model.subgraphs[0].inputs = []


def same_input_twice(model):
    model.subgraphs[0].inputs = [0, 0]


def output_that_is_an_input(model):
    model.subgraphs[0].outputs = [0]


def without_operators(model):
    model.subgraphs[0].operators = []


def external_buffer(model):
    model.buffers[1].offset = 1024
    model.buffers[1].size = 54


def short_filter(model):
    model.buffers[1].data = model.buffers[1].data[:-1]


def short_bias(model):
    model.subgraphs[0].tensors[2].shape = [2]
    model.buffers[2].data = model.buffers[2].data[:8]


def offline_plan(model):
    metadata = schema.MetadataT()
    metadata.name = "OfflineMemoryAllocation"
    model.metadata = [metadata]


INT16, UINT8, FLOAT32 = schema.TensorType.INT16, schema.TensorType.UINT8, schema.TensorType.FLOAT32

BROKEN = {
    "two subgraphs": (two_subgraphs, "2 subgraphs"),
    "schema version": (version_2, "schema version is 2"),
    "no inputs": (no_inputs, "its inputs are"),
    "an input twice": (same_input_twice, "none twice"),
    "an input as output": (output_that_is_an_input, "no operator computes its output"),
    "no operators": (without_operators, "no operator computes its output"),
    "external buffer": (external_buffer, "outside the model's tables"),
    "short buffer": (short_filter, "53 bytes of int8"),
    "offline memory plan": (offline_plan, "OfflineMemoryAllocation"),
    "uint8 input": (tensor_edit(0, type=UINT8), "tensor 0 .'input'., an input of the model, is uint8"),
    "int16 output": (tensor_edit(3, type=INT16), "is int16.*edgekit quantize"),
    "float input": (tensor_edit(0, type=FLOAT32), "is float32.*edgekit quantize"),
    "float filter": (tensor_edit(1, type=FLOAT32), "operator 0, CONV_2D, is float32"),
    "unknown type": (tensor_edit(0, type=77), "type number 77"),
    "dynamic shape": (tensor_edit(0, shape=[-1, 6, 5, 2]), "not fixed"),
    "batch of 2": (tensor_edit(0, shape=[2, 6, 5, 2]), "batch fixed to 1"),
    "rank 5": (tensor_edit(0, shape=[1, 1, 6, 5, 2]), "1 to 4 dimensions"),
    "rank 9": (tensor_edit(0, shape=[1] * 9), "more than 8 dimensions"),
    "huge tensor": (tensor_edit(0, shape=[1, 2**30, 2**30, 2**30]), "smaller inputs"),
    "variable": (tensor_edit(0, isVariable=True), "is a variable"),
    "sparse": (tensor_edit(1, sparsity=schema.SparsityParametersT()), "is sparse"),
    "buffer out of range": (tensor_edit(1, buffer=99), "buffer 99 of 3"),
    "no scale": (tensor_edit(0, quantization=None), "one scale"),
    "two scales": (quantization_edit(0, scale=[1.0, 2.0], zeroPoint=[0, 0]), "one scale"),
    "zero scale": (quantization_edit(0, scale=[0.0]), "scale 0.0"),
    "negative scale": (quantization_edit(0, scale=[-1.0]), "scale -1.0"),
    "NaN scale": (quantization_edit(3, scale=[np.nan]), "scale nan"),
    "zero point": (quantization_edit(0, zeroPoint=[128]), "zero point 128"),
    "filter without scale": (tensor_edit(1, quantization=None), "no scale"),
    "filter scales": (quantization_edit(1, scale=[1.0] * 2, zeroPoint=[0] * 2), "2 scales along axis 0"),
    "filter zero point count": (quantization_edit(1, zeroPoint=[0, 0]), "3 scales but 2 zero points"),
    "overflowing scales": (quantization_edit(1, scale=[3e38] * 3), "2\\*\\*30"),
    "tiny output scale": (quantization_edit(3, scale=[1e-45]), "too small for its activation"),
    "tensor out of range": (operator_edit(inputs=[0, 99, 2]), "tensor 99 of 4"),
    "negative tensor": (operator_edit(inputs=[0, -2, 2]), "tensor -2"),
    "no filter": (operator_edit(inputs=[0]), "with 1 inputs"),
    "filter left out": (operator_edit(inputs=[0, -1]), "input 1 is missing"),
    "too many inputs": (operator_edit(inputs=[0, 1, 2, 2]), "with 4 inputs"),
    "two outputs": (operator_edit(outputs=[3, 3]), "2 outputs"),
    "writes a constant": (operator_edit(outputs=[1]), "written twice"),
    "writes its input": (operator_edit(outputs=[0]), "written twice"),
    "reads its output": (operator_edit(inputs=[3, 1, 2]), "read before it is written"),
    "operator code": (operator_edit(opcodeIndex=5), "no operator code"),
    "no options": (operator_edit(builtinOptions=None, builtinOptionsType=0), "no Conv2DOptions"),
    "zero stride": (options_edit(strideH=0), "at least 1"),
    "zero dilation": (options_edit(dilationWFactor=0), "at least 1"),
    "unknown padding": (options_edit(padding=7), "padding scheme 7"),
    "output shape": (tensor_edit(3, shape=[1, 3, 4, 3]), "the window leads to"),
    "bias size": (short_bias, "2 entries for 3 output channels"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_models_are_refused_with_the_reason(fault):
    edit, message = BROKEN[fault]
    model = edited(CONVOLUTION, edit)
    with pytest.raises(ModelError, match=message):
        read_tflite(model, "model")


UNSUPPORTED = {
    "grouped": (CONVOLUTION, tensor_edit(0, shape=[1, 6, 5, 4]), "grouped convolution"),
    "activation": (CONVOLUTION, options_edit(fusedActivationFunction=4), "fused activation number 4"),
    "per-channel filter zero point": (
        build.fully_connected((1, 4), np.ones((2, 4), dtype=np.int8), filter_scales=[0.1, 0.2]),
        quantization_edit(1, zeroPoint=[0, 1]),
        "zero point other than 0",
    ),
    "filter zero point": (CONVOLUTION, quantization_edit(1, zeroPoint=[0, 1, 0]), "zero point other than 0"),
    "huge padding": (CONVOLUTION, options_edit(dilationHFactor=2**30), "padded input"),
    "shuffled weights": (DENSE, options_edit(weightsFormat=1), "shuffled"),
    "int32 filter": (
        DENSE,
        tensor_edit(1, type=schema.TensorType.INT32, shape=[2, 1]),
        "filter 'filter' is int32, not int8",
    ),
    "pool scale": (
        build.pool("MAX_POOL_2D", (1, 4, 4, 1), (2, 2)),
        quantization_edit(1, scale=[0.06]),
        "change of scale",
    ),
    "mean axes": (build.mean((1, 3, 3, 2)), lambda model: set_buffer(model, 1, [1, 3]), r"axes \[1, 3\]"),
    "negative padding": (
        build.pad((1, 4), [(0, 0), (1, 1)]),
        lambda model: set_buffer(model, 1, [0, 0, -1, 3]),
        "none of them negative",
    ),
    "softmax output": (build.softmax((1, 4)), quantization_edit(1, scale=[0.1]), "1/256"),
    "softmax width": (build.softmax((1, 5000)), lambda _: None, "at most 4095"),
    "softmax scale": (build.softmax((1, 4)), quantization_edit(0, scale=[1e-9]), "too small"),
    "add scales": (build.add((1, 4), output=Quantized(1e-9)), lambda _: None, "2\\*\\*19"),
    "add broadcast": (
        build.add((1, 4)),
        lambda model: setattr(model.subgraphs[0].tensors[1], "shape", [1, 1]),
        r"broadcasting \(1, 4\) with \(1, 1\)",
    ),
}


def set_buffer(model, number, values):
    model.buffers[number].data = np.frombuffer(np.array(values, dtype=np.int32).tobytes(), dtype=np.uint8)


@pytest.mark.parametrize("variant", UNSUPPORTED)
def test_unsupported_variants_name_the_operator(variant):
    model, edit, message = UNSUPPORTED[variant]
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        read_tflite(edited(model, edit), "model")
    assert caught.value.op_index == 0
    assert caught.value.opcode in caught.value.supported


def test_per_tensor_bias_with_another_scale_is_refused():
    with pytest.raises(ModelError, match=r"scale 5\.0 of its bias"):
        read_tflite(edited(DENSE, quantization_edit(2, scale=[5.0])), "model")


@pytest.mark.parametrize(("opcode", "detail"), [("SHAPE", "batch fixed to 1"), ("LOGISTIC", "")])
def test_unsupported_operator_is_named_with_the_supported_ones(opcode, detail):
    builder = ModelBuilder()
    source = builder.activation("input", (1, 4), Quantized())
    output = builder.activation("output", (1, 4), Quantized())
    builder.operator(opcode, [source], output)
    message = f"operator 0 of the model, {opcode}.*{detail}"
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        read_tflite(builder.build([source], [output]), "model")
    assert "CONV_2D" in str(caught.value)


def test_custom_operator_is_named():
    builder = ModelBuilder()
    source = builder.activation("input", (1, 4), Quantized())
    output = builder.activation("output", (1, 4), Quantized())
    builder.operator("CUSTOM", [source], output)
    builder.model.operatorCodes[0].customCode = "MyOp"
    with pytest.raises(UnsupportedOperatorError, match="CUSTOM MyOp"):
        read_tflite(builder.build([source], [output]), "model")


def test_operators_in_the_wrong_order_are_refused():
    builder = ModelBuilder()
    tensors = [builder.activation(name, (1, 4), Quantized()) for name in ("input", "middle", "output")]
    builder.operator("RESHAPE", [tensors[1]], tensors[2])
    builder.operator("RESHAPE", [tensors[0]], tensors[1])
    with pytest.raises(ModelError, match=r"'middle'.*read before it is written"):
        read_tflite(builder.build([tensors[0]], [tensors[2]]), "model")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 64, b"PK\x03\x04" + b"\0" * 60], ids=repr)
def test_files_of_another_kind_are_refused(data):
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        read_tflite(data, "model")


def test_many_operators_on_one_constant_are_bounded():
    """One filter read ten thousand times is a small file that would mean endless work."""
    builder = ModelBuilder()
    tensors = [builder.activation(str(index), (1, 64), Quantized()) for index in range(400)]
    weights = builder.constant("filter", np.ones((64, 64), np.int8), [0.1])
    for source, output in itertools.pairwise(tensors):
        builder.operator("FULLY_CONNECTED", [source, weights], output, schema.FullyConnectedOptionsT())
    with pytest.raises(ModelError, match="over and over"):
        read_tflite(packed_with_borders(builder, tensors), "model")


@pytest.mark.parametrize("count", [255, 256])
@pytest.mark.parametrize("role", ["inputs", "outputs"])
def test_inputs_and_outputs_are_as_many_as_a_byte_counts(role, count):
    """More could not be told through ek_model.h, and to plan thousands would take minutes."""
    builder = ModelBuilder()
    sources = [builder.activation(f"in {i}", (1, 4), Quantized()) for i in range(count)]
    outputs = [builder.activation(f"out {i}", (1, 4), Quantized()) for i in range(count)]
    for source, output in zip(sources, outputs, strict=True):
        builder.operator("RESHAPE", [source if role == "inputs" else sources[0]], output)
    model = builder.build(
        sources if role == "inputs" else sources[:1], outputs if role == "outputs" else outputs[:1]
    )
    if count == 255:
        assert len(getattr(read_tflite(model, "model"), role)) == 255
    else:
        with pytest.raises(ModelError, match=f"256 {role}; 255 are possible"):
            read_tflite(model, "model")


def packed_with_borders(builder, tensors):
    builder.subgraph.inputs = [tensors[0]]
    builder.subgraph.outputs = [tensors[-1]]
    return packed(builder.model)
