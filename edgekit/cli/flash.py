"""``edgekit flash``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import device_options, firmware_options, force_option


@click.command()
@firmware_options
@device_options
@click.option(
    "--listen",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve an emulated board on this loopback port (0: a free one) until Ctrl-C.",
)
@click.option(
    "--drive",
    type=click.Path(file_okay=False, path_type=Path),
    help="Boot drive of a board that is flashed by copying (UF2), where several are there.",
)
@click.option("--probe", metavar="ID", help="Start of a debug probe's id, where several are plugged in.")
@force_option
def flash(
    workspace: Path, force: bool, listen: int | None, drive: Path | None, probe: str | None, **options: Any
) -> None:
    """Put the firmware onto the board, or start the emulator of an emulated one.

    The port is found by the board's USB ids where --port names none.
    """
    from edgekit.stages.flash import flash as run_flash

    job = open_job(workspace, ["build"], force=force, **options)
    run_flash(job, listen, drive, probe)
