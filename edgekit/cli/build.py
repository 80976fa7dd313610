"""``edgekit build``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import firmware_options, force_option, json_option


@click.command()
@firmware_options
@force_option
@json_option
def build(workspace: Path, force: bool, json_output: bool, **options: Any) -> None:
    """Generate the firmware project for a board and compile it."""
    from edgekit.stages.build import build as run_build

    job = open_job(workspace, ["build"], json_output=json_output, force=force, **options)
    firmware = run_build(job)
    job.reporter.say(f"firmware: {firmware.image}")
    if json_output:
        click.echo(json.dumps({**firmware.report, "image": str(firmware.image)}, indent=2))
