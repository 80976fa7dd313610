"""``edgekit train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import force_option, json_option, network_options, workspace_option


@click.command()
@workspace_option
@network_options
@force_option
@json_option
def train(workspace: Path, force: bool, json_output: bool, **options: Any) -> None:
    """Train a MobileNet on a picture folder, or on the built-in shapes."""
    from edgekit.stages.train import TRAINING_REPORT
    from edgekit.stages.train import train as run_train

    job = open_job(workspace, ["train"], json_output=json_output, force=force, **options)
    model = run_train(job)
    job.reporter.say(f"float model: {model}")
    if json_output:
        click.echo((model.parent / TRAINING_REPORT).read_text(encoding="utf-8"), nl=False)
