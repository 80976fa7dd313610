"""Puts the firmware onto the board."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.messages import DeviceInfo
from edgekit.flashing import Flashed
from edgekit.stages.build import PROJECT_FOLDER, build
from edgekit.stages.job import Job


def flash(
    job: Job, listen_port: int | None = None, drive: Path | None = None, probe: str | None = None
) -> Flashed:
    """Builds where needed, flashes, and returns what the started device says about itself.

    ``drive`` is the boot drive of a board that has one, ``probe`` the start of a debug probe's id. An
    emulated board runs only during this call; with ``listen_port`` it serves its link on loopback until
    interrupted. Raises DeviceError or ToolchainError where the board cannot be reached.
    """
    from edgekit.config import DETECT_PORT
    from edgekit.flashing import flash as put_onto_board

    firmware = build(job)
    port = job.settings.device.port
    flashed = put_onto_board(
        firmware.board,
        firmware.image,
        engine=firmware.engine,
        project=job.workspace.board_folder(firmware.board.name) / PROJECT_FOLDER,
        model_sha256=firmware.model.graph.sha256,
        port=None if port == DETECT_PORT else port,
        target=job.settings.device.target,
        drive=drive,
        probe=probe,
        listen_port=listen_port,
        say=job.reporter.say,
    )
    if flashed.info is not None:
        job.reporter.say(_summary(flashed.info, flashed.port))
    return flashed


def _summary(info: DeviceInfo, port: str | None) -> str:
    ran = "ran" if port is None else "runs"
    how = "verify` with the same options" if port is None else f"verify --board {info.board} --port {port}`"
    return (
        f"{info.board} {ran} {info.model_name} ({info.model_sha256[:12]}…), engine {info.engine}; "
        f"`edgekit {how} proves it"
    )
