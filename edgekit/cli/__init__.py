"""The command line. Each command lives in a file of its own: it parses, calls one stage, prints.

Modules of this package import only click and edgekit's error tree at the top, so that
``edgekit --help`` starts neither NumPy nor TensorFlow; commands import what they use when they run.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from edgekit import __version__
from edgekit.cli.bench import bench
from edgekit.cli.boards import boards
from edgekit.cli.build import build
from edgekit.cli.demo import demo
from edgekit.cli.doctor import doctor
from edgekit.cli.estimate import estimate
from edgekit.cli.flash import flash
from edgekit.cli.init import init
from edgekit.cli.monitor import monitor
from edgekit.cli.quantize import quantize
from edgekit.cli.run import run
from edgekit.cli.train import train
from edgekit.cli.verify import verify
from edgekit.errors import EXIT_DEFECT, EXIT_INTERRUPTED, EdgekitError, UsageError
from edgekit.text import printable


class _PipelineGroup(click.Group):
    """Lists the commands in the order of the pipeline rather than of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_PipelineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgekit")
def cli() -> None:
    """Train small, quantize once, generate firmware for any board, and prove it bit by bit.

    \b
    Exit codes: 0 done, 1 the device differs, 2 something given is not usable,
    3 device or link, 4 toolchain, 5 generated but not compiled (no SDK),
    6 the model does not fit the board, 70 a defect of edgekit, 130 interrupted.
    """  # noqa: D301 - \b is for click


for _command in (
    init,
    train,
    quantize,
    estimate,
    build,
    flash,
    verify,
    bench,
    monitor,
    run,
    demo,
    boards,
    doctor,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. The only place that catches EdgekitError."""
    try:
        return _run(arguments)
    except Exception:  # noqa: BLE001 - whatever it is, it must not look like a verdict
        traceback.print_exc()
        click.echo("edgekit: this is a defect of edgekit; please report it with the lines above.", err=True)
        return EXIT_DEFECT


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = cli.main(args=arguments, prog_name="edgekit", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"edgekit: {printable(error.format_message())}", err=True)
        return error.exit_code
    except EdgekitError as error:
        click.echo(f"edgekit: {printable(str(error))}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgekit: interrupted; what was finished before is kept.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _leave_quietly()
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        click.echo(f"edgekit: {printable(f'{error.strerror or error}{place}')}.", err=True)
        return UsageError.exit_code
    return result if isinstance(result, int) else 0


def _leave_quietly() -> int:
    """The reader of our output has gone (`| head`): what it wanted it has."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - outlives this function
    return 0


def entry_point() -> NoReturn:
    """The ``edgekit`` program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # An old code page must not stop a run that took an hour.
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    """Being told to end is like Ctrl-C: emulators are stopped and files are left whole."""
    raise KeyboardInterrupt
