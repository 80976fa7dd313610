"""The names of the classes travel from the workspace into the project, and a build notices new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from application.test_examples import picture_graph
from probe_firmware import require_toolchain

from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.reporting import Reporter
from edgekit.stages import build as build_stage
from edgekit.stages.job import Job
from edgekit.stages.quantize import Int8Model
from edgekit.workspace import Workspace


def test_other_names_are_another_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_toolchain("gcc", load_board("host"))
    settings = override(
        Settings(), {"build.board": "host", "build.toolchain": "gcc", "model.file": "any.tflite"}
    )
    job = Job(Workspace(tmp_path), settings, Reporter())
    images = []
    for names in (("a", "b", "c", "d", "e"), ("v", "w", "x", "y", "zebra")):
        model = Int8Model(b"stands in", picture_graph(), names, trained_here=False)
        monkeypatch.setattr(build_stage, "obtain_model", lambda _, model=model: model)
        firmware = build_stage.build(job)
        labels = (tmp_path / "out" / "host" / "project" / "model" / "labels.h").read_text()
        assert all(f'    "{name}",\n' in labels for name in names)
        images.append(firmware.image.read_bytes())
    assert images[0] == images[1]  # What was proved knows no names.
