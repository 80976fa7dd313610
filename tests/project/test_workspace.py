"""Artefacts are written whole, and a stage runs again exactly when something changed."""

import os
from hashlib import sha256

import pytest

from edgekit.errors import UsageError
from edgekit.files import write_atomically
from edgekit.workspace import (
    Workspace,
    changed_inputs,
    read_json,
    record_stage,
    recorded_inputs,
    sha256_of_folder,
)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "model.tflite"
    write_atomically(target, b"old")
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda self, target: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_a_stage_is_recorded_until_an_output_changes(tmp_path):
    output = tmp_path / "out.bin"
    output.write_bytes(b"1")
    record_stage(tmp_path, "train", {"alpha": 0.25}, [output])
    assert recorded_inputs(tmp_path, "train") == {"alpha": 0.25}
    assert recorded_inputs(tmp_path, "quantize") is None
    output.write_bytes(b"2")
    assert recorded_inputs(tmp_path, "train") is None
    output.unlink()
    assert recorded_inputs(tmp_path, "train") is None


def test_changed_inputs_are_named():
    before = {"data": {"seed": 0}, "model": 1, "gone": 2}
    assert changed_inputs(before, {"data": {"seed": 1}, "model": 1, "new": 3}) == ["data.seed", "gone", "new"]
    assert changed_inputs({"sizes": [1, 2]}, {"sizes": (1, 2)}) == []


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"train": 3}',
        "\xff",
        "[" * 100_000,
        '{"train": {"inputs": {}}}',
        '{"train": {"inputs": {}, "outputs": []}}',
        '{"train": {"inputs": {}, "outputs": {}}}',
        '{"train": {"inputs": {}, "outputs": {"a": 3}}}',
        f'{{"train": {{"inputs": 3, "outputs": {{"a": "{sha256(b"").hexdigest()}"}}}}}}',
    ],
)
def test_a_damaged_manifest_records_nothing(tmp_path, damage):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "manifest.json").write_text(damage, encoding="latin-1")
    assert recorded_inputs(tmp_path, "train") is None


def test_folder_digest_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    first = sha256_of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert sha256_of_folder(tmp_path) != first
    (tmp_path / "b").rename(tmp_path / "a")
    assert sha256_of_folder(tmp_path) == first


def test_a_missing_workspace_is_named(tmp_path):
    workspace = Workspace(tmp_path / "none")
    with pytest.raises(UsageError, match="none is not a folder"):
        workspace.prepare(workspace.model_folder)


def test_an_unwritable_workspace_is_named(tmp_path):
    blocked = tmp_path / "out"
    blocked.write_text("a file where the folder should be")
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        workspace.prepare(workspace.model_folder)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace_is_named(tmp_path):
    tmp_path.chmod(0o500)
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="Permission denied"):
        workspace.prepare(workspace.model_folder)


@pytest.mark.parametrize("link", ["out", "out/model"])
def test_a_link_out_of_the_workspace_is_refused_and_nothing_made_behind_it(tmp_path, link):
    root, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(elsewhere)
    workspace = Workspace(root)
    with pytest.raises(UsageError, match="leads out of the workspace"):
        workspace.prepare(workspace.model_folder)
    assert list(elsewhere.iterdir()) == []


def test_a_circle_of_links_is_refused(tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "out")
    with pytest.raises(UsageError, match=r"leads out|cannot be written"):
        Workspace(tmp_path).prepare(tmp_path / "out" / "model")


def test_the_workspace_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    workspace = Workspace(tmp_path / "link")
    assert workspace.prepare(workspace.model_folder).is_dir()


def test_a_linked_file_is_replaced_not_followed(tmp_path):
    victim, target = tmp_path / "victim", tmp_path / "verdict.json"
    victim.write_text("keep")
    target.symlink_to(victim)
    write_atomically(target, "new")
    assert (victim.read_text(), target.read_text(), target.is_symlink()) == ("keep", "new", False)


def test_a_damaged_artefact_is_named(tmp_path):
    (tmp_path / "quantization.json").write_text("{")
    with pytest.raises(UsageError, match=r"cannot read .*quantization\.json"):
        read_json(tmp_path / "quantization.json")
