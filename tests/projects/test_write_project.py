"""Writing a project: only what changed, whole or not at all, nowhere but in its folder."""

import hashlib
import json
import os

import pytest

from edgekit.errors import UsageError
from edgekit.firmware_project import Project, Recipe
from edgekit.projects.project import WRITTEN_FILES, write_project

RECIPE = Recipe((), ())


def project(**files: bytes) -> Project:
    return Project("p", {name.replace("__", "/"): content for name, content in files.items()}, RECIPE)


def test_only_what_differs_is_written(tmp_path):
    assert {path.name for path in write_project(project(a=b"1", d__b=b"2"), tmp_path)} == {"a", "b"}
    times = (tmp_path / "a").stat().st_mtime_ns
    assert write_project(project(a=b"1", d__b=b"3"), tmp_path) == (tmp_path / "d" / "b",)
    assert (tmp_path / "a").stat().st_mtime_ns == times
    assert (tmp_path / "d" / "b").read_bytes() == b"3"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [WRITTEN_FILES, "a", "b", "d"]


def test_executables_can_be_run_and_others_cannot(tmp_path):
    both = Project("p", {"run.sh": b"", "data": b""}, RECIPE, frozenset({"run.sh"}))
    write_project(both, tmp_path)
    assert os.access(tmp_path / "run.sh", os.X_OK)
    assert (tmp_path / "data").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "a/../../outside", "", "a\\..\\b", "C:evil", "..", "a/.."]
)
def test_path_out_of_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    folder = tmp_path / "project"
    with pytest.raises(UsageError, match="not a relative path inside its folder"):
        write_project(Project("p", {"first": b"", name: b"x"}, RECIPE), folder)
    assert not folder.exists()


def test_link_out_of_the_folder_is_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "d").symlink_to(outside)
    with pytest.raises(UsageError, match="leads out of the project's folder"):
        write_project(project(d__b=b"2"), folder)
    with pytest.raises(UsageError, match="leads out"):
        write_project(project(d__e__b=b"2"), folder)
    assert list(outside.iterdir()) == []


def test_linked_file_is_replaced_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"keep")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a").symlink_to(outside)
    write_project(project(a=b"keep"), folder)
    assert not (folder / "a").is_symlink()
    write_project(project(a=b"new"), folder)
    assert outside.read_bytes() == b"keep"


def test_failure_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="cannot write the project"):
        write_project(project(a=b"1"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_of_an_earlier_project_are_removed_and_nothing_else(tmp_path):
    write_project(project(a=b"1", old__deep__b=b"2", old__c=b"3", both__d=b"4"), tmp_path)
    (tmp_path / "old" / "mine").write_bytes(b"a person's")
    (tmp_path / "build").mkdir()
    write_project(project(a=b"1", both__e=b"5"), tmp_path)
    assert names_in(tmp_path) == [WRITTEN_FILES, "a", "both", "both/e", "build", "old", "old/mine"]


def test_left_over_that_somebody_changed_stays(tmp_path):
    write_project(project(a=b"1", b=b"2"), tmp_path)
    (tmp_path / "b").write_bytes(b"changed")
    write_project(project(a=b"1"), tmp_path)
    assert (tmp_path / "b").read_bytes() == b"changed"


def test_folder_takes_the_place_of_a_left_over_file_and_the_other_way_round(tmp_path):
    write_project(project(a=b"1", b__c=b"2"), tmp_path)
    write_project(project(a__x=b"1", b=b"2"), tmp_path)
    assert names_in(tmp_path) == [WRITTEN_FILES, "a", "a/x", "b"]


@pytest.mark.parametrize("name", ["../outside", "{absolute}", "link/outside", "inner/kept"])
def test_no_list_has_a_file_removed_elsewhere_or_through_a_link(tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_bytes(b"keep")
    folder = tmp_path / "project"
    write_project(project(d__kept=b"keep"), folder)
    (folder / "link").symlink_to(tmp_path)
    (folder / "inner").symlink_to(folder / "d")
    digest = hashlib.sha256(b"keep").hexdigest()
    (folder / WRITTEN_FILES).write_text(json.dumps({name.format(absolute=outside): digest}))
    write_project(project(d__kept=b"keep"), folder)
    assert outside.read_bytes() == b"keep"
    assert (folder / "d" / "kept").read_bytes() == b"keep"


@pytest.mark.parametrize("damage", ["", "[]", "3", '{"a": 3}', "[" * 100_000])
def test_damaged_list_removes_nothing(tmp_path, damage):
    write_project(project(a=b"1"), tmp_path)
    (tmp_path / WRITTEN_FILES).write_text(damage)
    write_project(project(b=b"1"), tmp_path)
    assert names_in(tmp_path) == [WRITTEN_FILES, "a", "b"]


def test_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        write_project(project(a=b"1"), tmp_path / "project")
    assert names_in(tmp_path / "elsewhere") == []


def test_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write the project"):
        write_project(project(a=b"1"), tmp_path / "file")
