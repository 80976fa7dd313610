"""Puts the firmware onto the board."""

from __future__ import annotations

from edgekit.device.messages import DeviceInfo
from edgekit.stages.build import build
from edgekit.stages.job import Job


def flash(job: Job, listen_port: int | None = None) -> DeviceInfo:
    """Builds where needed, flashes, and returns what the started device says about itself.

    An emulated board runs only during this call; with ``listen_port`` it serves its link on loopback
    until interrupted. Raises DeviceError or ToolchainError where the board cannot be reached.
    """
    from edgekit.flashing import flash as put_onto_board

    firmware = build(job)
    info = put_onto_board(
        firmware.board,
        firmware.image,
        target=job.settings.device.target,
        listen_port=listen_port,
        say=job.reporter.say,
    )
    job.reporter.say(
        f"{info.board} ran {info.model_name} ({info.model_sha256[:12]}…), engine {info.engine}; "
        "`edgekit verify` with the same options proves it"
    )
    return info
