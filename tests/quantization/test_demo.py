"""The defaults keep their promise: a demo that is trained in a minute and survives quantization."""

from importlib.util import find_spec

import pytest

from edgekit.data.preprocessing import quantize_pixels
from edgekit.data.shapes import shapes_dataset
from edgekit.graph.executor import execute
from edgekit.graph.tflite import read_tflite
from edgekit.models.families import describe
from edgekit.quantization import calibration_images, evaluate_float, quantize
from edgekit.training import TrainingSettings, train
from edgekit.verification.accuracy import accuracy


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorflow") is None, reason='needs TensorFlow: pip install "edgekit[train]"')
def test_the_demo_recognises_19_of_20_shapes_in_int8():
    dataset = shapes_dataset()
    result = train(dataset, describe("mobilenet_v1", 48, 3, 10), TrainingSettings())
    assert evaluate_float(result.model, dataset.test_images, dataset.test_labels) >= 0.97
    calibration = calibration_images(dataset.train_images, dataset.train_labels, count=300, seed=0)
    graph = read_tflite(quantize(result.model, calibration), "shapes")
    scores = execute(graph, [quantize_pixels(dataset.test_images, 1 / 128, 0)])[0]
    predictions = scores.reshape(len(scores), -1).argmax(axis=1)
    assert accuracy(predictions, dataset.test_labels) >= 0.95
