"""``edgekit run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import firmware_options, force_option, json_option, proof_options


@click.command()
@firmware_options
@proof_options
@force_option
@json_option
def run(workspace: Path, force: bool, json_output: bool, **options: Any) -> int:
    """Run all stages: train, quantize, build, verify. What is up to date is not run again."""
    from edgekit.stages.verify import verify as run_verify

    job = open_job(workspace, json_output=json_output, force=force, **options)
    verdict = run_verify(job)
    if json_output:
        click.echo(json.dumps(verdict.to_json(), indent=2))
    return verdict.exit_code
