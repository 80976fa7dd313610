"""The built-in set is the same, byte for byte, wherever it is rendered."""

import hashlib

import numpy as np
import pytest

from edgekit.data.folder import load_dataset
from edgekit.data.shapes import SHAPE_NAMES, render_shapes, shapes_dataset, write_folder
from edgekit.errors import UsageError

# Made by this code with NumPy 2.4.6 on x86-64. A change of these is a change of everybody's data.
DIGESTS = {
    (40, 48, 3, 0): "d8c946fbdb22d353",
    (40, 48, 3, 1): "c04a254bd17d7947",
    (25, 96, 1, 0): "16f80a8950f0dbeb",
    (12, 13, 3, 2**31 - 1): "e59f8195d9877983",
}


@pytest.mark.parametrize("setting", DIGESTS)
def test_bytes_are_pinned(setting):
    images, _ = render_shapes(*setting)
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == DIGESTS[setting]


def test_shape_of_the_result():
    images, labels = render_shapes(25, image_size=16, channels=1)
    assert images.shape == (25, 16, 16, 1)
    assert images.dtype == np.uint8
    assert labels.tolist() == [index % 10 for index in range(25)]


def test_more_pictures_begin_with_the_same_ones():
    few, _ = render_shapes(20, 16)
    many, _ = render_shapes(700, 16)
    np.testing.assert_array_equal(many[:20], few)


def test_training_and_test_pictures_differ():
    dataset = shapes_dataset(100, 100, image_size=16)
    assert dataset.class_names == SHAPE_NAMES == tuple(sorted(SHAPE_NAMES))
    train = {image.tobytes() for image in dataset.train_images}
    test = {image.tobytes() for image in dataset.test_images}
    assert len(train) == len(test) == 100
    assert not train & test


def test_every_picture_shows_a_shape():
    """Without noise each picture would have two groups of colours; with it, its spread exceeds noise."""
    images, _ = render_shapes(500, 24)
    spread = images.reshape(500, -1, 3).astype(float).std(axis=1).max(axis=1)
    assert spread.min() > 15  # the noise alone has a standard deviation of 14


@pytest.mark.parametrize("arguments", [(10, 7, 3, 0), (10, 16, 2, 0), (-1, 16, 3, 0), (10, 16, 3, -1)])
def test_impossible_settings(arguments):
    with pytest.raises(UsageError):
        render_shapes(*arguments)


@pytest.mark.parametrize("channels", [1, 3])
def test_written_as_a_folder_and_read_again(tmp_path, channels):
    dataset = shapes_dataset(30, 20, image_size=16, channels=channels)
    assert write_folder(tmp_path, dataset, pictures_per_class=2) == 40
    read = load_dataset(tmp_path, 16, channels)
    assert read.class_names == dataset.class_names
    for label in range(10):
        np.testing.assert_array_equal(
            read.train_images[read.train_labels == label],
            dataset.train_images[dataset.train_labels == label][:2],
        )
