"""``edgekit monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.job import open_job
from edgekit.cli.options import device_options, firmware_options, json_option


@click.command()
@firmware_options
@device_options
@click.option(
    "--run",
    type=click.Choice(["noise", "pictures"]),
    help="Run the model on generated noise, or on the test pictures, while no client uses the link.",
)
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.0, 3600.0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="From one run of --run to the next.",
)
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to show.")
@click.option("--results", type=click.IntRange(1), metavar="N", help="End after N results.")
@click.option(
    "--listen",
    "listen_port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Loopback port that serves the link (default: a free one).",
)
@json_option
def monitor(workspace: Path, json_output: bool, **options: Any) -> None:
    """Show what the device prints and what its model answers, while others use its link.

    The monitor owns the port and serves the link: give --port socket://127.0.0.1:PORT, as it says, to
    `edgekit verify`. End with Ctrl-C.
    """
    from edgekit.stages.monitor import monitor as run_monitor

    names = ("run", "interval_s", "top", "results", "listen_port")
    wanted = {name: options.pop(name) for name in names}
    job = open_job(workspace, ["build"], json_output=json_output, **options)
    run_monitor(job, json_output=json_output, **wanted)
