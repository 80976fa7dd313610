"""A workspace and a small model of the user's own, for running commands as a user does."""

from pathlib import Path

import numpy as np
import pytest
from graph import tflite_builder as build


@pytest.fixture(scope="session")
def small_model_bytes() -> bytes:
    """A convolution of 8×8×3 to 4×4×8 with many distinct outputs."""
    generator = np.random.default_rng(0)
    filters = generator.integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    return build.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2))


@pytest.fixture
def small_model(tmp_path: Path, small_model_bytes: bytes) -> Path:
    """The small model as a file outside the workspace."""
    path = tmp_path / "small.tflite"
    path.write_bytes(small_model_bytes)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder
