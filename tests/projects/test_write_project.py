"""Writing a project: only what changed, whole or not at all, nowhere but in its folder."""

import os

import pytest

from edgekit.errors import UsageError
from edgekit.projects.project import Project, Recipe, write_project

RECIPE = Recipe((), ())


def project(**files: bytes) -> Project:
    return Project("p", {name.replace("__", "/"): content for name, content in files.items()}, RECIPE)


def test_only_what_differs_is_written(tmp_path):
    assert {path.name for path in write_project(project(a=b"1", d__b=b"2"), tmp_path)} == {"a", "b"}
    times = (tmp_path / "a").stat().st_mtime_ns
    assert write_project(project(a=b"1", d__b=b"3"), tmp_path) == (tmp_path / "d" / "b",)
    assert (tmp_path / "a").stat().st_mtime_ns == times
    assert (tmp_path / "d" / "b").read_bytes() == b"3"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "d"]


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


def test_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write the project"):
        write_project(project(a=b"1"), tmp_path / "file")
