"""``edgekit estimate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import board_option, build_options, json_option, model_option, workspace_option
from edgekit.errors import DoesNotFitError, UsageError

if TYPE_CHECKING:
    from edgekit.stages.estimate import Estimate

_COLUMNS = ("RAM", "of", "flash", "of", "instructions", "ms", "")


@click.command()
@workspace_option
@board_option
@model_option
@build_options
@click.option("--all-boards", is_flag=True, help="Every board there is, with its default engine.")
@json_option
def estimate(workspace: Path, all_boards: bool, json_output: bool, **options: Any) -> int:
    """Tell what a model will take of a board, before anything is compiled.

    RAM is exact to the byte, flash within 2 %, instructions within 10 % where the core was measured;
    elsewhere RAM and flash are the least that there can be. Milliseconds are for one instruction a cycle.
    Exit code 6 where the model cannot fit the board with any --optimize.
    """
    from edgekit.stages.estimate import estimate as run_estimate
    from edgekit.stages.estimate import estimate_boards, recommended

    if all_boards and options["board"] is not None:
        raise UsageError("give --board or --all-boards, not both.")
    job = open_job(workspace, ["build"], json_output=json_output, **options)
    estimates = list(estimate_boards(job) if all_boards else run_estimate(job))
    if json_output:
        click.echo(json.dumps([found.to_json() for found in estimates], indent=2))
    else:
        first = "board" if all_boards else "--optimize"
        rows = [(_name(found, all_boards), *_cells(found)) for found in estimates]
        job.reporter.table((first, *_COLUMNS), rows)
        best = None if all_boards else recommended(estimates)
        if best is not None:
            job.reporter.say(f"recommended: --optimize {best.optimize}")
    fits = all_boards or any(found.refusal is None for found in estimates)
    return 0 if fits else DoesNotFitError.exit_code


def _name(found: Estimate, all_boards: bool) -> str:
    return f"{found.board.name} ({found.engine})" if all_boards else found.optimize or found.engine


def _cells(found: Estimate) -> tuple[str, ...]:
    least = "" if found.needs.is_measured else "≥ "
    flash_bytes = found.memory.flash_bytes
    count, milliseconds = found.prediction.instructions, found.milliseconds
    return (
        f"{least}{found.needs.ram_bytes:,}",
        f"{found.memory.ram_bytes:,}",
        f"{least}{found.needs.flash_bytes:,}",
        "" if flash_bytes is None else f"{flash_bytes:,}",
        "" if count is None else f"{count:,}",
        "" if milliseconds is None else f"{milliseconds:.1f}",
        _verdict(found),
    )


def _verdict(found: Estimate) -> str:
    if found.refusal is not None:
        return f"does not fit: too little {found.refusal.memory}"
    return "fits" if found.fits else f"may fit: {found.unmeasured}"
