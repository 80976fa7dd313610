"""Training settings refuse what cannot train, wherever they come from."""

import math

import pytest

from edgekit.errors import UsageError
from edgekit.records import read_toml
from edgekit.training import Augmentation, TrainingSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("weight_decay", -0.1),
        ("warmup_fraction", 1.0),
        ("label_smoothing", -0.1),
        ("dropout", 1.0),
        ("batch_norm_momentum", 1.0),
        ("validation_fraction", 1.5),
        ("early_stop_epochs", 0),
        ("epochs", 10**7),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("weight_decay", math.nan),
        ("weight_decay", math.inf),
        ("dropout", math.nan),
    ],
)
def test_impossible_settings(name, value):
    with pytest.raises(UsageError, match=f"training.{name} is {value}"):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize("name", ["shift", "zoom", "brightness", "contrast"])
def test_impossible_augmentation(name):
    with pytest.raises(UsageError, match=rf"augmentation.{name} is 1.0"):
        Augmentation(**{name: 1.0})


def test_settings_from_toml(tmp_path):
    path = tmp_path / "training.toml"
    path.write_text("epochs = 3\n[augmentation]\nflip = true\nshift = 0.1\n")
    settings = read_toml(path, TrainingSettings, "training settings")
    assert settings == TrainingSettings(epochs=3, augmentation=Augmentation(flip=True, shift=0.1))


def test_an_unknown_setting_names_the_nearest(tmp_path):
    path = tmp_path / "training.toml"
    path.write_text("[augmentation]\nflipp = true\n")
    with pytest.raises(UsageError, match=r"'flipp'\. Did you mean 'flip'"):
        read_toml(path, TrainingSettings, "training settings")
