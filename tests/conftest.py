"""Fixtures that every test may use."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.cli import main

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


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned."""

    exit_code: int
    out: str
    err: str


@pytest.fixture
def edgekit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs one command in this process."""

    def run(*arguments: object) -> Outcome:
        exit_code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return run
