"""Networks are described by checked choices."""

import subprocess
import sys

import pytest

from edgekit.errors import UnknownNameError, UsageError
from edgekit.models.architecture import Convolution, DepthwiseConvolution, Residual
from edgekit.models.families import describe
from edgekit.models.mobilenet_v1 import mobilenet_v1, scaled_filters
from edgekit.models.mobilenet_v2 import divisible_filters, mobilenet_v2


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize("image_size", [8, 33, 96])
def test_names_are_unique_and_the_end_is_a_classifier(family, image_size):
    architecture = describe(family, image_size, 3, 7, depth="full")
    names = [layer.name for layer in architecture.layers]
    assert len(set(names)) == len(names)
    assert names[-3:] == ["pool", "logits", "probabilities"]
    assert architecture.input_shape == (image_size, image_size, 3)


def test_depths_of_v1():
    def blocks(depth: str, count: int = 13) -> list[int]:
        layers = mobilenet_v1(96, 3, 2, 1.0, depth, count).layers
        return [layer.filters for layer in layers if isinstance(layer, Convolution) and layer.kernel == 1]

    full = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    assert blocks("full") == full
    assert blocks("shallow") == [64, 128, 128, 256, 256, 512, 1024, 1024]
    assert blocks("stem", 6) == full[:6]


def test_blocks_of_v2():
    layers = mobilenet_v2(224, 3, 1000).layers
    assert sum(isinstance(layer, DepthwiseConvolution) for layer in layers) == 17
    assert sum(isinstance(layer, Residual) for layer in layers) == 10
    assert all(
        layer.activation == "linear"
        for layer in layers
        if isinstance(layer, Convolution) and layer.name.startswith("project")
    )


def test_v2_stem_has_no_wide_last_convolution():
    names = [layer.name for layer in describe("mobilenet_v2", 48, 3, 10, depth="stem", blocks=3).layers]
    assert "conv_last" not in names
    assert names[-4] == "add_3"


@pytest.mark.parametrize(("filters", "alpha", "expected"), [(32, 0.25, 8), (64, 0.3, 19), (32, 0.1, 8)])
def test_v1_truncates_filters(filters, alpha, expected):
    assert scaled_filters(filters, alpha) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [(11.2, 16), (8.4, 8), (33.6, 32), (22.4, 24), (3.0, 8), (44.8, 48), (1792.0, 1792)],
)
def test_v2_rounds_filters_to_multiples_of_8(filters, expected):
    assert divisible_filters(filters) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": 7}, "image_size is 7"),
        ({"image_size": 1025}, "image_size is 1025"),
        ({"channels": 2}, "channels is 2"),
        ({"classes": 1}, "1 classes"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"alpha": 2.5}, "alpha is 2.5"),
        ({"blocks": 0}, "mobilenet_v1 has 1 to 13 blocks"),
        ({"blocks": 14}, "mobilenet_v1 has 1 to 13 blocks"),
        ({"family": "mobilenet_v2", "blocks": 18}, "mobilenet_v2 has 1 to 17 blocks"),
        ({"family": "mobilenet_v2", "depth": "shallow"}, '"shallow" exists for mobilenet_v1 only'),
    ],
)
def test_impossible_networks(changes, message):
    choices = {"family": "mobilenet_v1", "image_size": 48, "channels": 3, "classes": 10, **changes}
    with pytest.raises(UsageError, match=message):
        describe(**choices)


def test_unknown_family_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'mobilenet_v2'"):
        describe("mobilenetv2", 48, 3, 10)


def test_descriptions_and_settings_import_neither_tensorflow_nor_numpy():
    code = (
        "import sys, edgekit.models.cost, edgekit.models.families, edgekit.training, edgekit.quantization\n"
        "sys.exit(bool({'tensorflow', 'keras', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pictures_import_no_tensorflow():
    code = (
        "import sys, edgekit.data.folder, edgekit.data.shapes, edgekit.data.split\n"
        "import edgekit.verification.accuracy\n"
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
