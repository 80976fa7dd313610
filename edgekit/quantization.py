"""Turns a trained Keras model into a full-int8 .tflite file.

Importing this module imports neither TensorFlow nor NumPy; :func:`quantize` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from edgekit.models.tensorflow_backend import KerasModel, TensorFlow

    Converter: TypeAlias = Any

INPUT_SCALE = 1 / 128
INPUT_ZERO_POINT = 0


def calibration_images(
    images: NDArray[np.uint8], labels: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.uint8]:
    """Up to ``count`` of the pictures (n, H, W, C): seeded, spread evenly over the classes."""
    from edgekit.data.split import stratified_sample

    return images[stratified_sample(labels, count, seed)]


def quantize(model: KerasModel | Path, calibration: NDArray[np.uint8], name: str = "model.tflite") -> bytes:
    """The int8 .tflite of ``model`` (a ``keras.Model`` or the path of a .keras file).

    ``calibration`` are uint8 pictures (n, H, W, C) as the network will see them. Weights are int8 a
    channel, activations int8 a tensor, the batch is 1, and the input's scale and zero point are exactly
    1/128 and 0, so that the device reads pixel - 128. The same model and pictures give the same bytes.

    Raises ModelError where the model cannot be converted, keeps an operator in float, or has another
    input quantization; ToolchainError without TensorFlow.
    """
    from edgekit.models.keras_files import load_model
    from edgekit.models.tensorflow_backend import load_tensorflow, quiet_native_output

    tf = load_tensorflow()
    if isinstance(model, Path):
        model = load_model(model)
    _check_model(model, calibration)
    try:
        # Freezing the variables runs TensorFlow's graph optimizer, which logs as the conversion does.
        with quiet_native_output():
            converted = bytes(_converter(tf, model, calibration).convert())
    except _conversion_errors() as error:
        raise ModelError(f"the model cannot be converted to int8: {_reason(error)}") from error
    check_int8(converted, name)
    return converted


def evaluate_float(model: KerasModel, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Accuracy of the float ``keras.Model`` on pictures (N, H, W, C)."""
    from edgekit.models.keras_files import predict_float
    from edgekit.verification.accuracy import accuracy

    return accuracy(predict_float(model, images).argmax(axis=1), labels)


def check_int8(tflite: bytes, name: str) -> None:
    """Raises ModelError unless ``tflite`` is int8 throughout with the input quantization (1/128, 0)."""
    from edgekit.graph.tflite import read_tflite

    graph = read_tflite(tflite, name)
    pixels = graph.tensors[graph.inputs[0]]
    if (pixels.scale, pixels.zero_point) != (INPUT_SCALE, INPUT_ZERO_POINT):
        raise ModelError(
            f"the converted model reads its input with scale {pixels.scale:.9g} and zero point "
            f"{pixels.zero_point} instead of exactly 1/128 and 0. Its first layer must read the pixels as "
            "(pixel - 128) / 128, without rescaling them itself."
        )


def _conversion_errors() -> tuple[type[Exception], ...]:
    from tensorflow.lite.python.convert_phase import ConverterError

    return (ConverterError, ValueError, RuntimeError, TypeError)


def _reason(error: Exception) -> str:
    """The converter's message without the pages of intermediate code that it quotes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("TF Select ops:", "Custom ops:")):
            return f"TensorFlow Lite has no operator for {line.partition(':')[2].strip()}."
    return lines[0] if lines else type(error).__name__


def _check_model(model: KerasModel, calibration: NDArray[np.uint8]) -> None:
    input_shape, output_shape = model.input_shape, model.output_shape
    if not isinstance(input_shape, tuple) or len(input_shape) != 4 or None in input_shape[1:]:
        raise ModelError(f"the model must read one picture (H, W, C) of fixed size, not {input_shape}.")
    if not isinstance(output_shape, tuple) or len(output_shape) != 2:
        raise ModelError(f"the model must write one vector of class scores, not {output_shape}.")
    if calibration.shape[1:] != input_shape[1:] or len(calibration) == 0:
        raise ModelError(
            f"calibration needs pictures of shape {input_shape[1:]}; got {calibration.shape[0]} of shape "
            f"{calibration.shape[1:]}."
        )


def _converter(tf: TensorFlow, model: KerasModel, calibration: NDArray[np.uint8]) -> Converter:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specification = tf.TensorSpec([1, *model.input_shape[1:]], tf.float32, name="pixels")
    forward = tf.function(lambda pixels: model(pixels, training=False), autograph=False)
    # The converter's calibration cannot read variables, so they are frozen first; what is left needs no
    # trackable object, but without one the converter takes its deprecated path and says so.
    frozen = convert_variables_to_constants_v2(forward.get_concrete_function(specification))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _representative_dataset(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter


def _representative_dataset(calibration: NDArray[np.uint8]) -> Callable[[], Iterator[list[Any]]]:
    from edgekit.data.preprocessing import to_float

    # The input's scale follows from the extremes seen, so one black and one white sample make it exact.
    full_range = calibration[:1].copy()
    full_range.reshape(-1)[[0, -1]] = (0, 255)

    def pictures() -> Iterator[list[Any]]:
        yield [to_float(full_range)]
        for index in range(1, len(calibration)):
            yield [to_float(calibration[index : index + 1])]

    return pictures
