"""Artefacts are written whole, and a stage runs again exactly when something changed."""

import os
from hashlib import sha256

import pytest

from edgekit.errors import UsageError
from edgekit.workspace import (
    Workspace,
    changed_inputs,
    read_json,
    record_stage,
    recorded_inputs,
    sha256_of_folder,
    write_atomically,
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
    assert changed_inputs(before, {"data": {"seed": 1}, "model": 1, "new": 3}) == ["data", "gone", "new"]
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


def test_a_damaged_artefact_is_named(tmp_path):
    (tmp_path / "quantization.json").write_text("{")
    with pytest.raises(UsageError, match=r"cannot read .*quantization\.json"):
        read_json(tmp_path / "quantization.json")
