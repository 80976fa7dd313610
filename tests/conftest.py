"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Folder with real networks and pictures: $EDGEKIT_SHARED, or ``shared`` beside the checkout."""
    folder = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
    if not (folder / "models").is_dir():
        pytest.skip(f"real networks and pictures are not at {folder}; set EDGEKIT_SHARED to their folder")
    return folder


MLPERF_TINY = ("vww_96_int8", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8")


@pytest.fixture(scope="session", params=MLPERF_TINY)
def mlperf_tiny_model(request: pytest.FixtureRequest, shared_folder: Path) -> Path:
    """Each of the four int8 reference models of MLPerf Tiny in turn."""
    return shared_folder / "models" / "mlperf_tiny" / f"{request.param}.tflite"
