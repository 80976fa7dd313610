"""``edgekit quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import force_option, json_option, network_options, workspace_option


@click.command()
@workspace_option
@network_options
@click.option("--calibration-images", type=int, help="Training pictures that set the ranges.")
@force_option
@json_option
def quantize(workspace: Path, force: bool, json_output: bool, **options: Any) -> None:
    """Turn the trained network into a full-int8 .tflite."""
    from edgekit.stages.quantize import QUANTIZATION_REPORT
    from edgekit.stages.quantize import quantize as run_quantize

    job = open_job(workspace, ["quantize"], json_output=json_output, force=force, **options)
    model = run_quantize(job)
    job.reporter.say(f"int8 model: {model}")
    if json_output:
        click.echo((model.parent / QUANTIZATION_REPORT).read_text(encoding="utf-8"), nl=False)
