"""A stage runs again when anything changed that decides its result, and a verdict does not outlive it."""

import json
import shutil

import numpy as np
import pytest
from graph import tflite_builder as build

from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.errors import DeviceError
from edgekit.reporting import Reporter
from edgekit.resources import boards_folder, firmware_folder
from edgekit.stages import job as job_module
from edgekit.stages.build import build as run_build
from edgekit.stages.job import Job
from edgekit.stages.quantize import quantize
from edgekit.stages.train import FLOAT_MODEL, TRAINING_REPORT, train
from edgekit.stages.verify import verify
from edgekit.workspace import Workspace, write_json


def small_model(seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    filters = generator.integers(-127, 128, (8, 3, 3, 3), dtype=np.int8)
    return build.convolution("CONV_2D", (1, 8, 8, 3), filters, strides=(2, 2))


@pytest.fixture
def make_job(tmp_path):
    """A job in one workspace with a model of the user's own and changed settings."""
    (tmp_path / "small.tflite").write_bytes(small_model(0))

    def make(**settings: object) -> Job:
        values = {"model.file": "small.tflite", **{key.replace("__", "."): v for key, v in settings.items()}}
        return Job(Workspace(tmp_path), override(Settings(), values), Reporter())

    return make


def runs_again(capsys, job: Job, stage=run_build, name: str = "build") -> bool:
    capsys.readouterr()
    stage(job)
    return f"{name}: up to date" not in capsys.readouterr().out


@pytest.fixture
def built(make_job, capsys):
    run_build(make_job())
    assert not runs_again(capsys, make_job())
    return make_job


def test_another_model_is_built(built, capsys, tmp_path):
    (tmp_path / "small.tflite").write_bytes(small_model(1))
    assert runs_again(capsys, built())


def test_a_changed_board_profile_is_built(built, capsys, monkeypatch, tmp_path):
    changed = tmp_path / "shipped"
    shutil.copytree(boards_folder(), changed)
    profile = changed / "virt-cortex-m4.toml"
    profile.write_text(profile.read_text().replace("100_000_000", "50_000_000"))
    assert load_board("virt-cortex-m4").mcu.clock_hz == 100_000_000
    monkeypatch.setattr("edgekit.boards.boards_folder", lambda: changed)
    assert runs_again(capsys, built())


def test_changed_firmware_sources_are_built(built, capsys, monkeypatch, tmp_path):
    changed = tmp_path / "firmware"
    shutil.copytree(firmware_folder(), changed)
    kernel = changed / "kernels" / "conv_2d.c"
    kernel.write_text(kernel.read_text() + "\n")
    for user in ("edgekit.projects.firmware_files", "edgekit.stages.build"):
        monkeypatch.setattr(f"{user}.firmware_folder", lambda: changed)
    assert runs_again(capsys, built())


def test_changed_code_of_edgekit_is_built(built, capsys, monkeypatch):
    monkeypatch.setattr("edgekit.stages.build.sources_digest", lambda *parts: "changed")
    assert runs_again(capsys, built())


def test_other_options_are_built(built, capsys):
    assert runs_again(capsys, built(build__optimize="speed"))


def test_a_tampered_image_is_built(built, capsys, tmp_path):
    image = tmp_path / "out" / "virt-cortex-m4" / "firmware.elf"
    image.write_bytes(image.read_bytes() + b"x")
    assert runs_again(capsys, built())


def test_code_digest_sees_every_source(tmp_path, monkeypatch):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(job_module.edgekit, "__file__", str(tmp_path / "__init__.py"))
    digest = job_module.sources_digest.__wrapped__
    before = digest("a.py", "b.py")
    (tmp_path / "b.py").write_text("2")
    assert digest("a.py", "b.py") != before


def test_a_verdict_does_not_outlive_its_firmware(make_job, tmp_path):
    verdict = tmp_path / "out" / "virt-cortex-m4" / "verdict.json"
    verify(make_job(verify__noise=16))
    assert json.loads(verdict.read_text())["exact"]
    (tmp_path / "small.tflite").write_bytes(small_model(1))
    run_build(make_job())
    assert not verdict.exists()


def test_a_verdict_does_not_outlive_a_failed_verification(make_job, tmp_path):
    verdict = tmp_path / "out" / "virt-cortex-m4" / "verdict.json"
    verify(make_job(verify__noise=16))
    assert verdict.exists()
    with pytest.raises(DeviceError):
        verify(make_job(device__port="socket://127.0.0.1:9"))
    assert not verdict.exists()


@pytest.fixture
def fake_stages(monkeypatch):
    """Training and conversion replaced by writing their artefacts, so that only the keys are tested."""

    def fake_train(job, folder):
        (folder / FLOAT_MODEL).write_text(str(job.settings.training.epochs))
        write_json(folder / TRAINING_REPORT, {"class_names": ["a", "b"]})
        return [folder / FLOAT_MODEL, folder / TRAINING_REPORT]

    def fake_quantize(job, float_model, folder):
        (folder / "model.tflite").write_bytes(small_model(0))
        return [folder / "model.tflite"]

    monkeypatch.setattr("edgekit.stages.train._train", fake_train)
    monkeypatch.setattr("edgekit.stages.quantize._quantize", fake_quantize)


CHANGES = {
    "seed": {"seed": 1},
    "alpha": {"model.alpha": 0.5},
    "epochs": {"training.epochs": 2},
    "image size": {"data.image_size": 32},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_training_runs_again_for_other_settings(fake_stages, capsys, tmp_path, change):
    def job(values):
        return Job(Workspace(tmp_path), override(Settings(), values), Reporter())

    assert runs_again(capsys, job({}), train, "train")
    assert not runs_again(capsys, job({}), train, "train")
    assert runs_again(capsys, job(change), train, "train")


def test_training_runs_again_for_other_pictures(fake_stages, capsys, tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / name / "1.png")
    job = Job(Workspace(tmp_path), override(Settings(), {"data.source": "pictures"}), Reporter())
    assert runs_again(capsys, job, train, "train")
    assert not runs_again(capsys, job, train, "train")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "pictures" / "a" / "1.png")
    assert runs_again(capsys, job, train, "train")


def test_quantization_runs_again_for_another_float_model(fake_stages, capsys, tmp_path):
    def job(values):
        return Job(Workspace(tmp_path), override(Settings(), values), Reporter())

    assert runs_again(capsys, job({}), quantize, "quantize")
    assert not runs_again(capsys, job({}), quantize, "quantize")
    assert runs_again(capsys, job({"quantization.calibration_images": 10}), quantize, "quantize")
    assert runs_again(capsys, job({"training.epochs": 3}), quantize, "quantize")


def test_a_command_about_later_stages_never_replaces_a_trained_model(fake_stages, capsys, tmp_path):
    def job(values, *stages):
        return Job(Workspace(tmp_path), override(Settings(), values), Reporter(), frozenset(stages))

    quantize(job({"training.epochs": 80}, "train", "quantize"))
    capsys.readouterr()
    run_build(job({"verify.noise": 16}, "build"))
    shown = capsys.readouterr().out
    assert "train: what is in" in shown
    assert "made with another training.epochs and is used as it is" in shown
    assert (tmp_path / "out" / "model" / FLOAT_MODEL).read_text() == "80"
    assert runs_again(capsys, job({}, "train"), train, "train")
    assert (tmp_path / "out" / "model" / FLOAT_MODEL).read_text() == str(Settings().training.epochs)


def test_a_new_float_model_is_quantized_by_whatever_command_comes_next(fake_stages, capsys, tmp_path):
    def job(values, *stages):
        return Job(Workspace(tmp_path), override(Settings(), values), Reporter(), frozenset(stages))

    quantize(job({}, "train", "quantize"))
    train(job({"training.epochs": 3}, "train"))
    assert runs_again(capsys, job({"training.epochs": 3}, "build"), quantize, "quantize")


def test_force_runs_the_commands_own_stages_only(fake_stages, capsys, tmp_path):
    settings = Settings()
    run_build(Job(Workspace(tmp_path), settings, Reporter()))
    capsys.readouterr()
    run_build(Job(Workspace(tmp_path), settings, Reporter(), frozenset({"build"}), force=True))
    shown = capsys.readouterr().out
    assert "train: up to date" in shown
    assert "quantize: up to date" in shown
    assert "build: up to date" not in shown
