"""Artefacts are written whole, and a stage runs again exactly when something changed."""

import os

import pytest

from edgekit.errors import UsageError
from edgekit.workspace import (
    Workspace,
    is_up_to_date,
    read_json,
    record_stage,
    sha256_of_folder,
    stage_key,
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


def test_a_stage_is_up_to_date_until_its_key_or_output_changes(tmp_path):
    output = tmp_path / "out.bin"
    output.write_bytes(b"1")
    key = stage_key({"alpha": 0.25})
    record_stage(tmp_path, "train", key, {"alpha": 0.25}, [output])
    assert is_up_to_date(tmp_path, "train", key)
    assert not is_up_to_date(tmp_path, "train", stage_key({"alpha": 0.5}))
    assert not is_up_to_date(tmp_path, "quantize", key)
    output.write_bytes(b"2")
    assert not is_up_to_date(tmp_path, "train", key)
    output.unlink()
    assert not is_up_to_date(tmp_path, "train", key)


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        '{"train": 3}',
        "\xff",
        "[" * 100_000,
        f'{{"train": {{"key": "{stage_key({})}"}}}}',
        f'{{"train": {{"key": "{stage_key({})}", "outputs": []}}}}',
        f'{{"train": {{"key": "{stage_key({})}", "outputs": {{}}}}}}',
        f'{{"train": {{"key": "{stage_key({})}", "outputs": {{"a": 3}}}}}}',
    ],
)
def test_a_damaged_manifest_means_that_nothing_is_up_to_date(tmp_path, damage):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "manifest.json").write_text(damage, encoding="latin-1")
    assert not is_up_to_date(tmp_path, "train", stage_key({}))


def test_the_key_does_not_depend_on_dictionary_order():
    assert stage_key({"a": 1, "b": 2}) == stage_key({"b": 2, "a": 1})


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
