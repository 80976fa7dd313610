"""Where a job's device is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.boards import load_board
from edgekit.config import Settings
from edgekit.errors import UsageError
from edgekit.reporting import Reporter
from edgekit.stages.build import Firmware
from edgekit.stages.device import open_link
from edgekit.stages.job import Job
from edgekit.workspace import Workspace


def test_an_emulator_that_cannot_run_an_engines_images_says_so(tmp_path: Path) -> None:
    board = load_board("pico")
    firmware = Firmware(tmp_path / "firmware.elf", board, "tflm", None, {}, None)  # type: ignore[arg-type]
    job = Job(Workspace(tmp_path), Settings(), Reporter())
    with pytest.raises(UsageError, match=r"pico runs images of the engine aot only, not of tflm.*--port"):
        open_link(job, board, firmware)
