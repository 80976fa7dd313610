"""Keras builds exactly what the descriptions say; its files are saved whole and loaded with suspicion."""

import contextlib
import io
import json
import os
import sys
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

from edgekit.errors import ModelError, ToolchainError
from edgekit.models.cost import cost
from edgekit.models.families import describe
from edgekit.models.keras_builder import build_keras_model
from edgekit.models.keras_files import load_model, predict_float, save_model
from edgekit.models.tensorflow_backend import load_keras, load_tensorflow, quiet_native_output

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason='needs TensorFlow: pip install "edgekit[train]"'
)


@pytest.fixture(scope="module")
def small_model():
    return build_keras_model(describe("mobilenet_v1", 16, 3, 4, blocks=2), dropout=0.2)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("mobilenet_v1", {"depth": "full"}),
        ("mobilenet_v1", {"depth": "shallow", "alpha": 0.5}),
        ("mobilenet_v1", {"depth": "stem", "blocks": 6}),
        ("mobilenet_v2", {"depth": "full", "alpha": 0.35}),
        ("mobilenet_v2", {"depth": "stem", "blocks": 4}),
    ],
)
def test_keras_has_the_parameters_that_the_cost_model_counts(family, options):
    architecture = describe(family, 33, 3, 5, **options)
    counted, model = cost(architecture), build_keras_model(architecture)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == counted.trainable_parameters
    assert model.count_params() == counted.trainable_parameters + 2 * counted.normalized_channels
    for layer in counted.layers:
        assert model.get_layer(layer.name).output.shape[1:] == layer.output_shape


@pytest.mark.parametrize(
    ("family", "application"), [("mobilenet_v1", "MobileNet"), ("mobilenet_v2", "MobileNetV2")]
)
def test_the_same_weights_as_keras_applications(family, application):
    """The published networks differ from ours in the names of layers only."""
    published = getattr(load_keras().applications, application)(
        input_shape=(96, 96, 3), alpha=0.35, weights=None, classes=10
    )
    ours = build_keras_model(describe(family, 96, 3, 10, alpha=0.35, depth="full"))
    kernels = [[w.shape for w in model.weights if "kernel" in w.name] for model in (ours, published)]
    # Keras Applications classifies V1 with a 1x1 convolution.
    squeezed = [[tuple(size for size in shape if size != 1) for shape in shapes] for shapes in kernels]
    assert squeezed[0] == squeezed[1]


def test_initial_weights_follow_from_the_seed_alone():
    architecture = describe("mobilenet_v1", 16, 3, 4, blocks=2)
    np.random.seed(1)  # the global state must not matter
    first = build_keras_model(architecture, seed=5).get_weights()
    np.random.seed(2)
    again = build_keras_model(architecture, seed=5).get_weights()
    other = build_keras_model(architecture, seed=6).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_saved_and_loaded_again(small_model, tmp_path):
    path = tmp_path / "float.keras"
    save_model(small_model, path)
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(predict_float(load_model(path), images), predict_float(small_model, images))
    assert [file.name for file in tmp_path.iterdir()] == ["float.keras"]


def test_probabilities(small_model):
    outputs = predict_float(small_model, np.zeros((3, 16, 16, 3), dtype=np.uint8))
    assert outputs.shape == (3, 4)
    np.testing.assert_allclose(outputs.sum(axis=1), 1.0, rtol=1e-5)
    assert predict_float(small_model, np.zeros((0, 16, 16, 3), dtype=np.uint8)).shape == (0, 4)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    class Unsaveable:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError("disk full")

    path = tmp_path / "float.keras"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"):
        save_model(Unsaveable(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["float.keras"]


def archive(**entries: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, text in entries.items():
            file.writestr(name.replace("__", "."), text)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a .keras file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is not a .keras file"),
        (archive(readme="x"), "is a zip archive, but not a .keras file"),
        (archive(config__json="{", model__weights__h5=""), "cannot be loaded"),
        (archive(config__json="{}", metadata__json="{}", model__weights__h5=""), "cannot be loaded"),
        (archive(config__json="[]", metadata__json="{}", model__weights__h5=""), "cannot be loaded"),
    ],
)
def test_files_that_are_no_models(tmp_path, content, message):
    path = tmp_path / "foreign.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"foreign\.keras {message}"):
        load_model(path)


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match="there is no Keras model at"):
        load_model(tmp_path / "none.keras")


def test_damaged_files_are_model_errors(small_model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(small_model, path)
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    for _ in range(25):
        damaged = bytearray(whole)
        for place in random.integers(0, len(damaged), 12):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(bytes(damaged))
        assert loads_or_is_refused(path)


def loads_or_is_refused(path) -> bool:
    with contextlib.suppress(ModelError):
        load_model(path)
    return True


def test_code_in_a_model_is_refused(tmp_path):
    keras = load_keras()
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Lambda(lambda tensor: tensor)(inputs))
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match=r"lambda\.keras cannot be loaded"):
        load_model(tmp_path / "lambda.keras")


def test_an_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("edgekit.models.keras_files.MAX_MODEL_BYTES", 10)
    path = tmp_path / "big.keras"
    path.write_bytes(archive(config__json=json.dumps({"a": "b" * 50}), model__weights__h5=""))
    with pytest.raises(ModelError, match="unpacks to 59 bytes"):
        load_model(path)


def test_without_tensorflow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ToolchainError, match=r'pip install "edgekit\[train\]"'):
        load_tensorflow()


def test_native_output_is_held_back(capfd):
    print("before")
    with quiet_native_output():
        os.write(1, b"chatter on 1\n")
        os.write(2, b"chatter on 2\n")
    print("after")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("before\nafter\n", "")


def test_native_output_is_replayed_on_an_error(capfd):
    def fail() -> None:
        with quiet_native_output():
            os.write(1, b"why it failed\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capfd.readouterr().err == "why it failed\n"
