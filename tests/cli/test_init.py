"""What `edgekit init` writes is what the next command finds."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.config import Settings, load_settings, override
from edgekit.reporting import Reporter
from edgekit.resources import boards_folder
from edgekit.stages.job import Job
from edgekit.training import TrainingSettings
from edgekit.workspace import Workspace


@pytest.fixture
def typed_in(tmp_path, monkeypatch) -> Path:
    """The folder in which commands are typed; it holds a picture folder."""
    folder = tmp_path / "here"
    (folder / "pics").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def job(workspace: Path) -> Job:
    target = Workspace(workspace)
    return Job(target, load_settings(target), Reporter())


def photo_settings(source: str) -> Settings:
    plain = override(Settings(), {"data.source": source, "data.image_size": 96, "model.depth": "shallow"})
    return Settings(data=plain.data, model=plain.model, training=TrainingSettings.photos())


@pytest.mark.parametrize(
    ("workspace", "source"),
    [
        (".", "./pics"),
        ("ws", "../pics"),
        ("a/b", "../../pics"),
        ("a/b/c", None),
    ],
)
def test_data_is_named_from_the_current_folder(edgekit, typed_in, workspace, source):
    assert edgekit("init", "-w", workspace, "--data", "pics").exit_code == 0
    written = job(typed_in / workspace)
    assert written.settings.data.source == (source or (typed_in / "pics").as_posix())
    assert written.picture_folder().samefile(typed_in / "pics")


def test_a_linked_workspace(edgekit, typed_in, tmp_path):
    (tmp_path / "far" / "off" / "ws").mkdir(parents=True)
    (typed_in / "ws").symlink_to(tmp_path / "far" / "off" / "ws", target_is_directory=True)
    assert edgekit("init", "-w", "ws", "--data", "pics").exit_code == 0
    assert job(typed_in / "ws").picture_folder().samefile(typed_in / "pics")


def test_a_folder_called_like_the_built_in_set(edgekit, typed_in):
    (typed_in / "shapes").mkdir()
    assert edgekit("init", "--data", "./shapes").exit_code == 0
    assert job(typed_in).picture_folder().samefile(typed_in / "shapes")


def test_a_picture_folder_gets_the_settings_for_photos(edgekit, typed_in):
    outcome = edgekit("init", "--data", "pics")
    assert load_settings(Workspace(typed_in)) == photo_settings("./pics")
    assert "settings for photos" in outcome.out


def test_the_readme_shows_the_settings_for_photos(tmp_path):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "edgekit.toml").write_text(block)
    assert load_settings(Workspace(tmp_path)) == photo_settings("../../pictures")


@pytest.mark.parametrize("place", ["x", "ws/boards"])
def test_a_board_of_ones_own_is_found_by_later_commands(edgekit, typed_in, place):
    profile = (boards_folder() / "virt-cortex-m4.toml").read_text(encoding="utf-8")
    (typed_in / place).mkdir(parents=True)
    own = typed_in / place / "q1.toml"
    own.write_text(profile.replace('name = "virt-cortex-m4"', 'name = "q1"'), encoding="utf-8")
    assert edgekit("init", "-w", "ws", "--board", f"{place}/q1.toml").exit_code == 0
    os.chdir("/")
    assert job(typed_in / "ws").board() == load_board(str(own))


def test_a_board_file_on_the_command_line_is_named_from_the_current_folder(edgekit, typed_in, small_model):
    profile = (boards_folder() / "virt-cortex-m4.toml").read_text(encoding="utf-8")
    (typed_in / "q1.toml").write_text(profile, encoding="utf-8")
    (typed_in / "ws").mkdir()
    outcome = edgekit("build", "-w", "ws", "-b", "q1.toml", "-m", small_model)
    assert "names itself 'virt-cortex-m4'" in outcome.err


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\x1b[31mb\x7f", "ü 猫"])
def test_any_name_becomes_valid_toml(edgekit, typed_in, name):
    outcome = edgekit("init", "-w", "ws", "--data", name)
    assert outcome.exit_code == 0
    assert "\x1b" not in outcome.out
    text = (typed_in / "ws" / "edgekit.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["data"]["source"] == f"../{name}"


def test_a_name_that_is_not_utf8_is_said(edgekit, typed_in):
    outcome = edgekit("init", "-w", "ws", "--data", os.fsdecode(b"a\xff"))
    assert outcome.exit_code == 2
    assert r"a\xff' cannot be written into edgekit.toml" in outcome.err
    assert not (typed_in / "ws").exists()
