"""Models of one operator with odd geometry and extreme numbers, compared with TFLM on every byte."""

from pathlib import Path

import numpy as np
import pytest
from graph import tflite_builder as build
from graph.agreement import assert_equal_outputs, distinct_rows, probing_inputs
from graph.tflite_builder import ACTIVATIONS, ONE_OPERATOR, Quantized

from edgekit.graph.cost import op_macs
from edgekit.graph.ir import SUPPORTED_OPCODES
from edgekit.graph.tflite import read_tflite


@pytest.fixture
def generator():
    return np.random.default_rng(20)


def int8(generator, *shape):
    return generator.integers(-127, 128, shape).astype(np.int8)


def int32(generator, size, limit=20_000):
    return generator.integers(-limit, limit, size).astype(np.int32)


def spread(channels, low=2e-4, high=2e-2):
    return [float(scale) for scale in np.geomspace(low, high, channels)]


@pytest.mark.parametrize("opcode", SUPPORTED_OPCODES)
def test_every_supported_operator(opcode):
    """Each has a builder, equals TFLM, and costs something where it has weights."""
    model = ONE_OPERATOR[opcode]
    assert_equal_outputs(model)
    graph = read_tflite(model, opcode)
    (op,) = graph.ops
    assert op.opcode == opcode
    assert (op_macs(graph, op) > 0) == hasattr(op, "filter")


def test_readme_lists_every_supported_operator():
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    assert f"{', '.join(SUPPORTED_OPCODES)}." in text


GEOMETRIES = [
    # input height, width; window; strides; dilation
    ((7, 9), (3, 3), (1, 1), (1, 1)),
    ((7, 9), (3, 3), (2, 2), (1, 1)),
    ((8, 8), (3, 3), (2, 2), (1, 1)),
    ((9, 6), (1, 1), (1, 1), (1, 1)),
    ((9, 6), (1, 1), (3, 2), (1, 1)),
    ((10, 7), (2, 5), (1, 3), (1, 1)),
    ((49, 10), (10, 4), (2, 2), (1, 1)),
    ((11, 12), (3, 2), (1, 1), (2, 3)),
    ((13, 11), (3, 3), (2, 1), (2, 2)),
    ((5, 5), (5, 5), (1, 1), (1, 1)),
    ((1, 17), (1, 4), (1, 2), (1, 1)),
    ((3, 3), (3, 3), (4, 4), (1, 1)),
    ((9, 6), (1, 1), (1, 1), (65535, 2**30)),
    ((9, 6), (1, 3), (2, 1), (65535, 2)),
]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("extent", "size", "strides", "dilation"), GEOMETRIES)
def test_conv_2d_geometry(generator, extent, size, strides, dilation, padding):
    model = build.convolution(
        "CONV_2D",
        (1, *extent, 3),
        int8(generator, 5, *size, 3),
        bias=int32(generator, 5),
        filter_scales=spread(5),
        input_quantized=Quantized(0.02, -3),
        output_quantized=Quantized(0.05, 11),
        padding=padding,
        strides=strides,
        dilation=dilation,
    )
    assert distinct_rows(assert_equal_outputs(model)) > 8


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("depth_multiplier", [1, 3])
@pytest.mark.parametrize(("extent", "size", "strides", "dilation"), GEOMETRIES)
def test_depthwise_conv_2d_geometry(generator, extent, size, strides, dilation, depth_multiplier, padding):
    channels = 4 * depth_multiplier
    model = build.convolution(
        "DEPTHWISE_CONV_2D",
        (1, *extent, 4),
        int8(generator, 1, *size, channels),
        bias=int32(generator, channels),
        filter_scales=spread(channels),
        input_quantized=Quantized(0.02, 100),
        output_quantized=Quantized(0.02, -100),
        padding=padding,
        strides=strides,
        dilation=dilation,
    )
    assert distinct_rows(assert_equal_outputs(model)) > 8


@pytest.mark.parametrize(
    ("opcode", "shape"), [("CONV_2D", (6, 3, 3, 4)), ("DEPTHWISE_CONV_2D", (1, 3, 3, 4))]
)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("zero_points", [(-128, -128), (127, 127), (-128, 127), (0, 0)])
def test_convolution_activations_and_zero_points(generator, opcode, shape, activation, zero_points):
    channels = shape[3] if shape[0] == 1 else shape[0]
    model = build.convolution(
        opcode,
        (1, 6, 6, 4),
        int8(generator, *shape),
        bias=int32(generator, channels),
        filter_scales=[0.003],
        input_quantized=Quantized(0.02, zero_points[0]),
        output_quantized=Quantized(0.03, zero_points[1]),
        activation=activation,
    )
    assert_equal_outputs(model)


# Filter scales that lead to every kind of multiplier and shift with input scale 1 and output scale 1:
# far below the last bit, around 2**-31 where TFLM flushes to zero, moderate, and above 1 (left shifts).
EXTREME_SCALES = [
    2.0**-40,
    2.0**-33,
    2.0**-32,
    1.5 * 2.0**-32,
    2.0**-31,
    2.0**-20,
    0.3,
    0.999999,
    1.0,
    1.7,
    300.0,
]


@pytest.mark.parametrize("opcode", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_extreme_multipliers_and_biases(generator, opcode):
    channels = len(EXTREME_SCALES)
    shape = (channels, 1, 1, 1) if opcode == "CONV_2D" else (1, 1, 1, channels)
    bias = np.array([2**30, -(2**30), 2**31 - 1, -(2**31), 5, 2**24, 0, -7, 3, 1, 2**20], dtype=np.int32)
    model = build.convolution(
        opcode,
        (1, 4, 4, 1),
        int8(generator, *shape),
        bias=bias,
        filter_scales=EXTREME_SCALES,
        input_quantized=Quantized(1.0, -1),
        output_quantized=Quantized(1.0, 1),
    )
    assert_equal_outputs(model)


def test_accumulator_wraps_around_with_a_bias_at_the_limit():
    model = build.convolution(
        "CONV_2D",
        (1, 2, 2, 8),
        np.full((1, 2, 2, 8), 127, dtype=np.int8),
        bias=np.array([2**31 - 1], dtype=np.int32),
        filter_scales=[2.0**-25],
        input_quantized=Quantized(1.0, -128),
        padding="VALID",
        output_quantized=Quantized(1.0, 0),
    )
    assert distinct_rows(assert_equal_outputs(model)) > 1


def test_sums_beyond_single_precision():
    """Sums around 2**27 whose last bits are the output: the executor must leave float32."""
    filter_values = np.full((1, 3, 3, 512), 127, dtype=np.int8)
    filter_values[0, 0, 0, 0] = 1
    model = build.convolution(
        "CONV_2D",
        (1, 3, 3, 512),
        filter_values,
        bias=np.array([-127 * 255 * (3 * 3 * 512 - 1)], dtype=np.int32),
        filter_scales=[1.0],
        input_quantized=Quantized(1.0, -128),
        output_quantized=Quantized(1.0, -128),
        padding="VALID",
    )
    inputs = np.full((256, 3, 3, 512), 127, dtype=np.int8)
    inputs[:, 0, 0, 0] = np.arange(-128, 128)
    assert distinct_rows(assert_equal_outputs(model, [inputs])) == 256


@pytest.mark.parametrize("filter_scales", [[0.004], spread(7)], ids=["per-tensor", "per-channel"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("with_bias", [True, False])
def test_fully_connected(generator, filter_scales, activation, with_bias):
    model = build.fully_connected(
        (1, 33),
        int8(generator, 7, 33),
        bias=int32(generator, 7) if with_bias else None,
        filter_scales=filter_scales,
        input_quantized=Quantized(0.013, 9),
        output_quantized=Quantized(0.05, -17),
        activation=activation,
    )
    assert distinct_rows(assert_equal_outputs(model)) > 8


@pytest.mark.parametrize("filter_zero_point", [-128, -3, 127])
def test_fully_connected_with_a_filter_zero_point(generator, filter_zero_point):
    model = build.fully_connected(
        (1, 40),
        int8(generator, 6, 40),
        filter_zero_point=filter_zero_point,
        input_quantized=Quantized(0.01, 30),
        output_quantized=Quantized(0.2, 0),
    )
    assert distinct_rows(assert_equal_outputs(model)) > 8


def test_fully_connected_multiplier_is_formed_in_double_precision(generator):
    """Multiplied in float32, as TFLM did before autumn 2026, the scales would change 9 of 800,000 bytes."""
    channels = 50_000
    model = build.fully_connected(
        (1, 1),
        int8(generator, channels, 1),
        bias=int32(generator, channels, limit=400_000),
        filter_scales=[0.0123],
        input_quantized=Quantized(0.0345, 0),
        output_quantized=Quantized(1.5, 0),
    )
    assert_equal_outputs(model)


# 6 / scale rounded to float32 is a tie, which goes up; in double it lies below the tie.
TIE_SCALE = next(
    float(scale)
    for scale in (np.float32(6 / (steps + 0.5)) for steps in range(40, 120))
    if np.float32(6) / scale % 1 == 0.5 and 6 / float(scale) % 1 < 0.5
)


@pytest.mark.parametrize("opcode", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_activation_bounds_are_rounded_in_single_precision(opcode):
    model = build.pool(opcode, (1, 2, 2, 8), (1, 1), quantized=Quantized(TIE_SCALE, 0), activation="RELU6")
    assert assert_equal_outputs(model).max() == int(6 / TIE_SCALE) + 1


@pytest.mark.parametrize(("input_shape", "output_shape"), [((1, 4, 6), (1, 4, 5)), ((1, 2, 3, 4), (1, 5))])
def test_fully_connected_over_other_shapes(generator, input_shape, output_shape):
    depth = 6 if len(input_shape) == 3 else 24
    model = build.fully_connected(input_shape, int8(generator, 5, depth), output_shape=output_shape)
    assert distinct_rows(assert_equal_outputs(model)) > 8


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("first", "second", "output"),
    [
        (Quantized(0.05, 0), Quantized(0.05, 0), Quantized(0.1, 0)),
        (Quantized(0.02, -128), Quantized(0.5, 127), Quantized(0.3, -20)),
        (Quantized(1e-6, 5), Quantized(40.0, -7), Quantized(40.0, 3)),
        (Quantized(40.0, -7), Quantized(1e-9, 5), Quantized(0.5, 3)),
        (Quantized(0.011, 1), Quantized(0.013, 2), Quantized(1e-4, 0)),
        (Quantized(0.9, -128), Quantized(0.9, -128), Quantized(1000.0, 127)),
    ],
)
def test_add(first, second, output, activation):
    assert_equal_outputs(build.add((1, 3, 5, 7), first, second, output, activation))


def test_add_of_every_pair_of_bytes():
    model = build.add((1, 65_536), Quantized(0.031, 4), Quantized(0.047, -9), Quantized(0.06, 2))
    values = np.arange(-128, 128, dtype=np.int8)
    pairs = [np.repeat(values, 256)[np.newaxis], np.tile(values, 256)[np.newaxis]]
    assert len(np.unique(assert_equal_outputs(model, pairs))) > 200


@pytest.mark.parametrize("opcode", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("extent", "size", "strides"),
    [
        ((7, 9), (2, 2), (2, 2)),
        ((7, 9), (3, 3), (1, 1)),
        ((25, 5), (25, 5), (25, 5)),
        ((6, 8), (3, 5), (2, 3)),
    ],
)
@pytest.mark.parametrize("activation", ["NONE", "RELU6"])
def test_pooling(opcode, padding, extent, size, strides, activation):
    model = build.pool(
        opcode,
        (1, *extent, 6),
        size,
        quantized=Quantized(0.06, 5),
        padding=padding,
        strides=strides,
        activation=activation,
    )
    assert distinct_rows(assert_equal_outputs(model)) > 1


@pytest.mark.parametrize("extent", [(1, 1), (3, 3), (7, 7), (5, 2), (16, 16), (1, 200)])
@pytest.mark.parametrize(
    "output", [Quantized(0.05, 0), Quantized(0.004, -128), Quantized(0.7, 50), Quantized(30000.0, 1)]
)
def test_mean(extent, output):
    assert_equal_outputs(build.mean((1, *extent, 9), Quantized(0.05, -20), output))


@pytest.mark.parametrize(("axes", "keep_dims"), [((1, 2), True), ((2, 1), False), ((-3, -2), False)])
def test_mean_axes(axes, keep_dims):
    assert_equal_outputs(build.mean((1, 4, 3, 5), axes=axes, keep_dims=keep_dims))


@pytest.mark.parametrize(
    ("shape", "paddings"),
    [
        ((1, 4, 5, 3), [(0, 0), (0, 1), (0, 1), (0, 0)]),
        ((1, 4, 5, 3), [(0, 0), (2, 0), (1, 3), (0, 0)]),
        ((1, 4, 5, 3), [(0, 0), (1, 1), (1, 1), (2, 1)]),
        ((1, 6), [(0, 0), (3, 4)]),
    ],
)
def test_pad(shape, paddings):
    assert_equal_outputs(build.pad(shape, paddings, Quantized(0.05, -77)))


@pytest.mark.parametrize("shapes", [((1, 2, 3, 4), (1, 24)), ((1, 24), (1, 4, 1, 6))])
def test_reshape(shapes):
    assert_equal_outputs(build.reshape(*shapes))


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 100, 511])
@pytest.mark.parametrize("scale", [1e-6, 0.01, 0.0625, 0.2, 1.0, 50.0])
def test_softmax(classes, scale):
    assert_equal_outputs(build.softmax((1, classes), Quantized(scale, 3)))


@pytest.mark.parametrize("beta", [0.1, 1.7])
def test_softmax_beta_and_rows(beta):
    assert_equal_outputs(build.softmax((1, 5, 4), Quantized(0.1, 0), beta))


def test_softmax_of_a_tensor_without_an_axis_but_the_batch():
    """Each image is one row of one entry, not one entry of a row: its probability is 1."""
    assert set(assert_equal_outputs(build.softmax((1,))).tolist()) == {127}


def test_softmax_of_every_difference():
    model = build.softmax((1, 2), Quantized(0.0437, 0))
    differences = np.stack([np.full(256, 127), np.arange(127, -129, -1)], axis=1).astype(np.int8)
    assert distinct_rows(assert_equal_outputs(model, [differences])) > 50


def test_softmax_over_a_thousand_classes_with_a_clear_winner():
    """With 512 classes and more, flat scores would end the TFLM process: only peaked ones are compared."""
    model = build.softmax((1, 1001), Quantized(0.2, 0))
    (scores,) = probing_inputs(read_tflite(model, "softmax"))
    scores = np.clip(scores[:12], -128, 100)
    scores[np.arange(12), np.arange(12) * 80] = 127
    assert distinct_rows(assert_equal_outputs(model, [scores])) > 8
