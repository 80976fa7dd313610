"""Where a job's device is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.config import Settings, override
from edgekit.errors import ToolchainError, UsageError
from edgekit.reporting import Reporter
from edgekit.stages.device import locate_device
from edgekit.stages.job import Job
from edgekit.workspace import Workspace


def job(folder: Path, board: str, **values: object) -> Job:
    return Job(Workspace(folder), override(Settings(), {"build.board": board, **values}), Reporter())


def test_an_emulator_that_cannot_run_an_engines_images_says_so_before_they_are_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pico runs images of the engine aot only, not of tflm.*--port"):
        locate_device(job(tmp_path, "pico", **{"build.engine": "tflm"}), load_board("pico"))


@pytest.mark.parametrize("board", ["pico", "mega2560", "mps2-an386", "virt-rv32", "rpi4"])
def test_an_emulator_that_is_missing_is_named_before_anything_is_built(
    tmp_path: Path, board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(ToolchainError, match=r"not installed|is not on PATH"):
        locate_device(job(tmp_path, board), load_board(board))


@pytest.mark.parametrize("values", [{"device.port": "/dev/ttyACM0"}, {"build.engine": "litert"}])
def test_what_needs_no_emulator_asks_for_none(
    tmp_path: Path, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    given = job(tmp_path, "rpi4", **values)
    assert locate_device(given, load_board("rpi4")) == given
