"""The generated operator resolver registers exactly the operators of the model."""

import re

import pytest
from graph.tflite_builder import ONE_OPERATOR

from edgekit.codegen.op_resolver import generate_op_resolver, op_kinds
from edgekit.graph.ir import SUPPORTED_OPCODES
from edgekit.graph.tflite import read_tflite

WITHOUT_INT8_FORM = {"MEAN", "PAD", "RESHAPE"}

EXPECTED_BODY = """\
#define EK_MODEL_PREPARE_BYTES 1024

#define EK_MODEL_OP_KINDS 10

/* The kinds of operators that the model has. */
constexpr tflite::BuiltinOperator ek_model_op_kinds[EK_MODEL_OP_KINDS] = {
    tflite::BuiltinOperator_ADD,
    tflite::BuiltinOperator_AVERAGE_POOL_2D,
    tflite::BuiltinOperator_CONV_2D,
    tflite::BuiltinOperator_DEPTHWISE_CONV_2D,
    tflite::BuiltinOperator_FULLY_CONNECTED,
    tflite::BuiltinOperator_MAX_POOL_2D,
    tflite::BuiltinOperator_MEAN,
    tflite::BuiltinOperator_PAD,
    tflite::BuiltinOperator_RESHAPE,
    tflite::BuiltinOperator_SOFTMAX,
};

inline TfLiteStatus ek_model_add_ops(tflite::MicroMutableOpResolver<EK_MODEL_OP_KINDS> &ops) {
    if (ops.AddAdd(EK_TFLM_INT8(ADD)) != kTfLiteOk ||
        ops.AddAveragePool2D(EK_TFLM_INT8(AVERAGE_POOL_2D)) != kTfLiteOk ||
        ops.AddConv2D(EK_TFLM_INT8(CONV_2D)) != kTfLiteOk ||
        ops.AddDepthwiseConv2D(EK_TFLM_INT8(DEPTHWISE_CONV_2D)) != kTfLiteOk ||
        ops.AddFullyConnected(EK_TFLM_INT8(FULLY_CONNECTED)) != kTfLiteOk ||
        ops.AddMaxPool2D(EK_TFLM_INT8(MAX_POOL_2D)) != kTfLiteOk ||
        ops.AddMean() != kTfLiteOk ||
        ops.AddPad() != kTfLiteOk ||
        ops.AddReshape() != kTfLiteOk ||
        ops.AddSoftmax(EK_TFLM_INT8(SOFTMAX)) != kTfLiteOk) {
        return kTfLiteError;
    }
    return kTfLiteOk;
}
"""


def test_the_text_of_a_network_with_every_operator(network):
    assert EXPECTED_BODY in generate_op_resolver(read_tflite(network, "network"), 1024)


@pytest.mark.parametrize("opcode", sorted(SUPPORTED_OPCODES))
def test_one_operator_is_registered_alone(opcode):
    graph = read_tflite(ONE_OPERATOR[opcode], "one")
    text = generate_op_resolver(graph, 1024)
    assert op_kinds(graph) == (opcode,)
    assert re.findall(r"BuiltinOperator_(\w+),", text) == [opcode]
    assert len(re.findall(r"ops\.Add\w+\(", text)) == 1
    assert (f"EK_TFLM_INT8({opcode})" in text) == (opcode not in WITHOUT_INT8_FORM)
