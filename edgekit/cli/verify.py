"""``edgekit verify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import firmware_options, json_option, proof_options


@click.command()
@firmware_options
@proof_options
@json_option
def verify(workspace: Path, json_output: bool, **options: Any) -> int:
    """Prove that the board computes the bytes of the host interpreter. Exit code 1 where it does not."""
    from edgekit.stages.verify import verify as run_verify

    job = open_job(workspace, ["build"], json_output=json_output, **options)
    verdict = run_verify(job)
    if json_output:
        click.echo(json.dumps(verdict.to_json(), indent=2))
    return verdict.exit_code
