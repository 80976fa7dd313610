"""What does not fit is told with exact figures, before a network is trained or a compiler runs."""

import numpy as np
import pytest
from graph import tflite_builder as build

from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.costs.fit import HARNESS_CODE_BYTES, HARNESS_RAM_BYTES
from edgekit.errors import DoesNotFitError
from edgekit.reporting import Reporter
from edgekit.resources import boards_folder
from edgekit.stages.build import build as run_build
from edgekit.stages.job import Job
from edgekit.workspace import Workspace


@pytest.fixture
def make_job(tmp_path):
    def make(ram_bytes: int, **values: object) -> Job:
        (tmp_path / "boards").mkdir(exist_ok=True)
        profile = (boards_folder() / "mps2-an386.toml").read_text()
        profile = profile.replace('name = "mps2-an386"', 'name = "small"')
        profile = profile.replace("ram_bytes = 4_194_304", f"ram_bytes = {ram_bytes}")
        (tmp_path / "boards" / "small.toml").write_text(profile)
        settings = override(Settings(), {"build.board": "small", **values})
        return Job(Workspace(tmp_path), settings, Reporter())

    return make


def test_a_network_that_cannot_fit_is_refused_before_it_is_trained(make_job, monkeypatch):
    monkeypatch.setattr("edgekit.stages.train._train", lambda *a: pytest.fail("trained"))
    with pytest.raises(DoesNotFitError) as caught:
        run_build(make_job(8_192))
    # The demo's picture of 48x48x3 pixels: no plan needs less.
    assert caught.value.needed_bytes == 6_912 + 4_096 + HARNESS_RAM_BYTES
    assert caught.value.missing_bytes == caught.value.needed_bytes - 8_192


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_the_figures_are_just_below_what_the_linker_finds(make_job, tmp_path, toolchain):
    filters = np.ones((8, 3, 3, 3), dtype=np.int8)
    (tmp_path / "small.tflite").write_bytes(build.convolution("CONV_2D", (1, 32, 32, 3), filters))
    job = make_job(1 << 20, **{"model.file": "small.tflite", "build.toolchain": toolchain})
    report = run_build(job).report
    stack_bytes = load_board("mps2-an386").memory.stack_bytes
    harness_ram_bytes = report["ram_bytes"] - report["arena_bytes"] - stack_bytes
    assert HARNESS_RAM_BYTES <= harness_ram_bytes <= HARNESS_RAM_BYTES + 100
    assert HARNESS_CODE_BYTES <= report["code_bytes"] <= HARNESS_CODE_BYTES + 4_000


SIDE = 48


@pytest.fixture
def image_model(tmp_path):
    filters = np.ones((1, 3, 3, 3), dtype=np.int8)
    (tmp_path / "image.tflite").write_bytes(build.convolution("CONV_2D", (1, SIDE, SIDE, 3), filters))
    return "image.tflite"


def test_a_refusal_says_what_would_fit(make_job, image_model):
    """Whole, the input does not fit; row by row it does."""
    job = make_job(4_096 + 3 * SIDE * SIDE, **{"model.file": image_model, "build.optimize": "speed"})
    with pytest.raises(
        DoesNotFitError, match=r"It fits with --optimize ram --stream-input: flash [\d,]+ bytes"
    ):
        run_build(job)


def test_a_refusal_says_that_nothing_would_fit(make_job, image_model):
    with pytest.raises(
        DoesNotFitError, match=r"No --optimize or --stream-input makes it fit; the least would"
    ):
        run_build(make_job(4_096 + 1_000, **{"model.file": image_model}))
