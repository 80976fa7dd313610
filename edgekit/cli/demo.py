"""``edgekit demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import board_option, force_option


@click.command()
@click.option(
    "-w",
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("edgekit-demo"),
    show_default=True,
    help="Folder for the artefacts; made where it is missing.",
)
@board_option
@force_option
def demo(workspace: Path, force: bool, **options: Any) -> int:
    """See the whole job on built-in pictures and an emulated Cortex-M4. Needs no hardware."""
    from edgekit.stages.build import VERDICT
    from edgekit.stages.verify import verify as run_verify

    workspace.mkdir(parents=True, exist_ok=True)
    job = open_job(workspace, force=force, **options)
    verdict = run_verify(job)
    folder = job.workspace.board_folder(verdict.board)
    job.reporter.say(f"model:    {job.workspace.model_folder / 'model.tflite'}")
    job.reporter.say(f"project:  {folder / 'project'}")
    job.reporter.say(f"verdict:  {folder / VERDICT}")
    return verdict.exit_code
