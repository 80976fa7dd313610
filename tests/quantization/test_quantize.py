"""Conversion to int8: the recipe's promises, and what is said of models that cannot be converted."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from edgekit import quantization
from edgekit.errors import ModelError, UnsupportedOperatorError
from edgekit.graph.tflite import read_tflite
from edgekit.models.keras_files import save_model
from edgekit.models.tensorflow_backend import load_keras
from edgekit.quantization import calibration_images, check_int8, evaluate_float, quantize

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason='needs TensorFlow: pip install "edgekit[train]"'
)


@pytest.fixture(scope="module")
def converted(trained_model, calibration) -> bytes:
    return quantize(trained_model, calibration)


def test_the_graph_is_int8_with_the_promised_input(converted):
    graph = read_tflite(converted, "shapes")
    pixels = graph.tensors[graph.inputs[0]]
    assert (pixels.shape, pixels.scale, pixels.zero_point) == ((1, 16, 16, 3), 1 / 128, 0)
    assert graph.tensors[graph.outputs[0]].shape == (1, 10)
    convolutions = ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert [op.opcode for op in graph.ops] == [*convolutions, "MEAN", "FULLY_CONNECTED", "SOFTMAX"]


def test_the_same_model_gives_the_same_bytes(trained_model, calibration, converted, tmp_path):
    assert quantize(trained_model, calibration) == converted
    save_model(trained_model, tmp_path / "float.keras")
    assert quantize(tmp_path / "float.keras", calibration) == converted


def test_other_calibration_gives_another_model(trained_model, calibration, converted):
    assert quantize(trained_model, calibration // 2) != converted


def test_the_input_scale_holds_for_pictures_of_low_contrast(trained_model, calibration):
    check_int8(quantize(trained_model, calibration // 4 + 90), "low contrast")


def test_the_calibration_pictures_are_left_alone(trained_model, calibration):
    before = calibration.copy()
    quantize(trained_model, calibration)
    np.testing.assert_array_equal(calibration, before)


def test_the_converter_is_silent(trained_model, calibration, capfd):
    quantize(trained_model, calibration)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_what_is_logged_while_the_variables_are_frozen_is_held_back(
    trained_model, calibration, converted, capfd, monkeypatch
):
    """TensorFlow logs there when it was first imported without its log level set."""
    prepare = quantization._converter

    def prepare_and_log(*arguments):
        os.write(2, b"I0000 devices.cc: Number of eligible GPUs\n")
        return prepare(*arguments)

    monkeypatch.setattr(quantization, "_converter", prepare_and_log)
    assert quantize(trained_model, calibration) == converted
    assert capfd.readouterr().err == ""


def test_int8_agrees_with_float(trained_model, converted, shapes):
    """Most predictions survive quantization; the float model is the yardstick, not the labels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from edgekit.models.keras_files import predict_float

    interpreter = Interpreter(
        model_content=converted, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    read, written = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    predictions = []
    for image in shapes.test_images:
        interpreter.set_tensor(read["index"], (image.astype(int) - 128).astype(np.int8)[np.newaxis])
        interpreter.invoke()
        predictions.append(int(interpreter.get_tensor(written["index"]).argmax()))
    expected = predict_float(trained_model, shapes.test_images).argmax(axis=1)
    assert len(set(expected)) > 1
    assert np.mean(np.array(predictions) == expected) >= 0.9


def test_evaluate_float(trained_model, shapes):
    from edgekit.models.keras_files import predict_float

    predictions = predict_float(trained_model, shapes.test_images).argmax(axis=1)
    assert evaluate_float(trained_model, shapes.test_images, predictions) == 1.0
    assert evaluate_float(trained_model, shapes.test_images, (predictions + 1) % 10) == 0.0


def test_calibration_is_spread_over_the_classes(shapes):
    chosen = calibration_images(shapes.train_images, shapes.train_labels, count=20, seed=1)
    labels = {
        image.tobytes(): label for image, label in zip(shapes.train_images, shapes.train_labels, strict=True)
    }
    assert np.bincount([labels[image.tobytes()] for image in chosen]).tolist() == [2] * 10


def test_an_operator_without_int8_kernel_here_is_named(calibration):
    keras = load_keras()
    inputs = keras.Input((16, 16, 3), name="pixels")
    features = keras.layers.Activation("tanh")(keras.layers.Conv2D(4, 3)(inputs))
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(features))
    with pytest.raises(UnsupportedOperatorError, match="TANH, is not supported"):
        quantize(keras.Model(inputs, scores), calibration)


def test_an_operator_that_cannot_be_int8_is_a_model_error(calibration, capfd):
    keras = load_keras()
    inputs = keras.Input((16, 16, 3), name="pixels")
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(keras.ops.erf(inputs)))
    with pytest.raises(ModelError, match=r"the model cannot be converted to int8: .*Erf"):
        quantize(keras.Model(inputs, scores), calibration)


@pytest.mark.parametrize(
    ("input_shape", "message"),
    [((None, None, 3), "fixed size"), ((16, 3), "one picture"), ((20, 20, 3), r"shape \(20, 20, 3\)")],
)
def test_inputs_that_are_no_pictures_of_this_size(calibration, input_shape, message):
    keras = load_keras()
    inputs = keras.Input(input_shape)
    pool = keras.layers.GlobalAveragePooling2D() if len(input_shape) == 3 else keras.layers.Flatten()
    with pytest.raises(ModelError, match=message):
        quantize(keras.Model(inputs, keras.layers.Dense(2)(pool(inputs))), calibration)


def test_outputs_that_are_no_scores(calibration):
    keras = load_keras()
    inputs = keras.Input((16, 16, 3))
    with pytest.raises(ModelError, match="one vector of class scores"):
        quantize(keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)), calibration)


def test_no_calibration_pictures(trained_model, calibration):
    with pytest.raises(ModelError, match="got 0 of shape"):
        quantize(trained_model, calibration[:0])


def test_another_input_quantization_is_refused(shared_folder):
    model = (shared_folder / "models" / "mlperf_tiny" / "vww_96_int8.tflite").read_bytes()
    with pytest.raises(ModelError, match="instead of exactly 1/128 and 0"):
        check_int8(model, "vww")
