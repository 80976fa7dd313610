"""Training on pictures so small that an epoch takes a moment."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from edgekit.data.dataset import Dataset
from edgekit.data.shapes import shapes_dataset
from edgekit.errors import ModelError, UsageError
from edgekit.models.families import describe
from edgekit.models.keras_files import predict_float
from edgekit.training import Augmentation, TrainingProgress, TrainingSettings, augment, train
from edgekit.verification.accuracy import accuracy

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason='needs TensorFlow: pip install "edgekit[train]"'
)

QUICK = TrainingSettings(epochs=2, batch_size=32)
NETWORK = describe("mobilenet_v1", 12, 3, 10, blocks=2)


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    return shapes_dataset(200, 50, image_size=12)


@pytest.fixture(scope="module")
def black_and_white() -> Dataset:
    """Two classes that one look at the brightness tells apart."""
    noise = np.random.default_rng(0).integers(0, 60, (160, 12, 12, 3))
    labels = np.arange(160, dtype=np.int64) % 2
    images = (noise + 190 * labels[:, None, None, None]).astype(np.uint8)
    return Dataset(images[:120], labels[:120], images[120:], labels[120:], ("black", "white"), "test")


def same_weights(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_something_is_learnt(black_and_white):
    result = train(black_and_white, describe("mobilenet_v1", 12, 3, 2, blocks=1), replace_epochs(4))
    predictions = predict_float(result.model, black_and_white.test_images).argmax(axis=1)
    assert accuracy(predictions, black_and_white.test_labels) >= 0.95
    assert result.history[-1].loss < result.history[0].loss
    assert result.best is not None
    assert result.best.validation_accuracy == max(epoch.validation_accuracy for epoch in result.history)


def replace_epochs(epochs: int) -> TrainingSettings:
    return TrainingSettings(epochs=epochs, batch_size=8)


def test_the_same_seed_gives_the_same_weights(shapes):
    augmentation = Augmentation(flip=True, shift=0.1, zoom=0.1, brightness=0.1, contrast=0.1)
    settings = TrainingSettings(epochs=2, batch_size=32, dropout=0.2, augmentation=augmentation)
    first, again, other = (train(shapes, NETWORK, settings, seed) for seed in (3, 3, 4))
    assert same_weights(first.model, again.model)
    assert first.history == again.history
    assert not same_weights(first.model, other.model)


def test_progress_and_history(shapes):
    calls: list[TrainingProgress] = []
    result = train(shapes, NETWORK, QUICK, progress=calls.append)
    assert (result.train_count, result.validation_count) == (180, 20)
    assert {(call.epochs, call.steps_per_epoch) for call in calls} == {(2, 5)}
    assert [call.epoch for call in calls if call.validation_accuracy is not None] == [1, 2]
    assert [epoch.epoch for epoch in result.history] == [1, 2]
    assert all(0.0 <= epoch.accuracy <= 1.0 for epoch in result.history)
    assert not result.interrupted


def test_the_test_pictures_have_no_influence(shapes):
    other = replace(shapes, test_images=shapes.test_images[::-1] // 2, test_labels=shapes.test_labels[:0])
    assert same_weights(train(shapes, NETWORK, QUICK).model, train(other, NETWORK, QUICK).model)


def test_validation_pictures_of_the_dataset_are_used(shapes):
    dataset = replace(
        shapes, validation_images=shapes.test_images[:30], validation_labels=shapes.test_labels[:30]
    )
    result = train(dataset, NETWORK, QUICK)
    assert (result.train_count, result.validation_count) == (200, 30)
    predictions = predict_float(result.model, shapes.test_images[:30]).argmax(axis=1)
    assert result.best is not None
    assert accuracy(predictions, shapes.test_labels[:30]) == result.best.validation_accuracy


def test_without_validation_the_last_epoch_counts(shapes):
    result = train(shapes, NETWORK, TrainingSettings(epochs=2, batch_size=32, validation_fraction=0.0))
    assert result.best_epoch == 2
    assert result.history[0].validation_accuracy is None


def test_fewer_pictures_than_a_batch(shapes):
    few = replace(shapes, train_images=shapes.train_images[:20], train_labels=shapes.train_labels[:20])
    result = train(few, NETWORK, TrainingSettings(epochs=1, batch_size=64))
    assert len(result.history) == 1


def test_an_interruption_brings_back_the_best_weights(shapes):
    """Interrupted in the second epoch, the weights are again those after the first."""

    def interrupt_after_the_first_epoch(progress: TrainingProgress) -> None:
        if progress.validation_accuracy is not None:
            raise KeyboardInterrupt

    def interrupt_in_the_second_epoch(progress: TrainingProgress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    first = train(shapes, NETWORK, QUICK, progress=interrupt_after_the_first_epoch)
    second = train(shapes, NETWORK, QUICK, progress=interrupt_in_the_second_epoch)
    assert first.interrupted
    assert second.interrupted
    assert len(second.history) == second.best_epoch == 1
    assert same_weights(first.model, second.model)


def test_interrupted_before_any_epoch_was_complete(shapes):
    def interrupt(progress: TrainingProgress) -> None:
        raise KeyboardInterrupt

    result = train(shapes, NETWORK, QUICK, progress=interrupt)
    assert result.interrupted
    assert (result.best_epoch, result.best, result.history) == (0, None, ())


def test_early_stop(shapes):
    """Validation pictures with labels out of reach never improve after the first epoch."""
    unlearnable = replace(
        shapes,
        validation_images=np.zeros((4, 12, 12, 3), dtype=np.uint8),
        validation_labels=np.arange(4, dtype=np.int64),
    )
    settings = TrainingSettings(epochs=40, batch_size=64, early_stop_epochs=2)
    result = train(unlearnable, NETWORK, settings)
    assert len(result.history) < 40
    assert len(result.history) - result.best_epoch == 2


def test_divergence_is_said(shapes):
    with pytest.raises(ModelError, match=r"training diverged.*Lower training\.learning_rate"):
        train(shapes, NETWORK, TrainingSettings(epochs=3, batch_size=32, learning_rate=1e30))


def test_a_network_with_weights_that_are_not_finite_is_no_result(shapes):
    """The only step's loss is finite: it is that of the initial weights."""
    settings = TrainingSettings(
        epochs=1,
        batch_size=1000,
        learning_rate=1e38,
        weight_decay=1e10,
        warmup_fraction=0.0,
        validation_fraction=0.0,
    )
    with pytest.raises(ModelError, match=r"training diverged.*weights that are not finite"):
        train(shapes, NETWORK, settings)


def test_pictures_of_another_size(shapes):
    with pytest.raises(UsageError, match="loaded at 12x12x3, but the network reads 16x16x3"):
        train(shapes, describe("mobilenet_v1", 16, 3, 10), QUICK)


def test_no_pictures(shapes):
    nothing = replace(shapes, train_images=shapes.train_images[:0], train_labels=shapes.train_labels[:0])
    with pytest.raises(UsageError, match="no training pictures"):
        train(nothing, NETWORK, QUICK)


def augmented(pixels: np.ndarray, seed: int = 0, **options) -> np.ndarray:
    from edgekit.models.tensorflow_backend import load_tensorflow

    tf = load_tensorflow()
    result = augment(tf, tf.constant(pixels), Augmentation(**options), tf.constant([seed, 1], tf.int64))
    return result.numpy()


PIXELS = np.random.default_rng(0).uniform(-1, 0.99, (40, 8, 8, 3)).astype(np.float32)


def test_no_augmentation_changes_nothing():
    np.testing.assert_array_equal(augmented(PIXELS), PIXELS)


def test_flips_mirror_some_pictures_exactly():
    changed = augmented(PIXELS, flip=True)
    mirrored = [np.allclose(c, p[:, ::-1], atol=1e-5) for c, p in zip(changed, PIXELS, strict=True)]
    kept = [np.allclose(c, p, atol=1e-5) for c, p in zip(changed, PIXELS, strict=True)]
    assert all(np.logical_xor(mirrored, kept))
    assert 8 < sum(mirrored) < 32


@pytest.mark.parametrize("options", [{"shift": 0.2}, {"zoom": 0.2}, {"brightness": 0.2}, {"contrast": 0.5}])
def test_each_picture_is_changed_differently_and_stays_in_range(options):
    same = np.repeat(PIXELS[:1], 40, axis=0)
    changed = augmented(same, **options)
    assert changed.shape == same.shape
    assert len({image.tobytes() for image in changed}) == 40
    assert changed.min() >= -1.0
    assert changed.max() <= 127 / 128
    np.testing.assert_array_equal(changed, augmented(same, **options))
    assert not np.array_equal(changed, augmented(same, seed=1, **options))


def test_shifts_stay_within_their_limit():
    """A single bright column moves by up to a quarter of the side."""
    picture = np.full((40, 16, 16, 1), -1.0, dtype=np.float32)
    picture[:, :, 8] = 0.9
    brightest = augmented(picture, shift=0.25).mean(axis=(1, 3)).argmax(axis=1)
    assert brightest.min() >= 4
    assert brightest.max() <= 12
    assert len(set(brightest)) > 4
