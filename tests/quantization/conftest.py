"""A tiny trained network, shared by the tests of its conversion."""

from importlib.util import find_spec

import pytest

from edgekit.data.dataset import Dataset
from edgekit.data.shapes import shapes_dataset
from edgekit.models.families import describe
from edgekit.quantization import calibration_images
from edgekit.training import TrainingSettings, train


@pytest.fixture(scope="session")
def shapes() -> Dataset:
    return shapes_dataset(300, 60, image_size=16)


@pytest.fixture(scope="session")
def trained_model(shapes: Dataset):
    """A ``keras.Model``, two epochs old: bad, but with outputs that depend on its input."""
    if find_spec("tensorflow") is None:
        pytest.skip('needs TensorFlow: pip install "edgekit[train]"')
    settings = TrainingSettings(epochs=2, batch_size=16)
    return train(shapes, describe("mobilenet_v1", 16, 3, 10, blocks=2), settings).model


@pytest.fixture(scope="session")
def calibration(shapes: Dataset):
    return calibration_images(shapes.train_images, shapes.train_labels, count=30, seed=0)
