"""The lock is honest, and a wheel holds all that the program needs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(text)
    for text in [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    if not text.startswith("edgekit[")
]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LOCKED = {
    canonical(name): version
    for name, _, version in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_dependency_is_locked_to_a_version_that_it_allows(requirement):
    assert LOCKED[canonical(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("name", ["tflite-micro", "ziglang"])
def test_what_decides_a_result_is_pinned_exactly(name):
    (requirement,) = [requirement for requirement in REQUIREMENTS if canonical(requirement.name) == name]
    assert str(requirement.specifier) == f"=={LOCKED[name]}"


def test_training_needs_an_extra():
    names = {canonical(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert not names & {"tensorflow", "keras", "ziglang", "unicorn"}


def test_a_wheel_holds_firmware_boards_and_templates(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("firmware", "boards"):
        expected = {
            f"edgekit/_resources/{path.relative_to(ROOT).as_posix()}"
            for path in (ROOT / folder).rglob("*")
            if path.is_file()
        }
        assert expected
        assert expected <= names
    templates = {path.name for path in (ROOT / "edgekit/projects/templates").rglob("*") if path.is_file()}
    assert templates <= {Path(name).name for name in names}


def test_click_is_new_enough_for_choices_among_numbers():
    (click,) = (requirement for requirement in REQUIREMENTS if requirement.name == "click")
    assert not click.specifier.contains("8.1.8")
    assert click.specifier.contains("8.2.0")
