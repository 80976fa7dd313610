"""What every stage is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.boards import Board, Engine, load_board
from edgekit.config import Settings
from edgekit.errors import UnknownNameError
from edgekit.reporting import Reporter
from edgekit.workspace import Workspace, is_up_to_date, record_stage, stage_key


@dataclass(frozen=True)
class Job:
    """One command's work: where, with which settings, shown to whom. ``force`` names the stages to run
    even when nothing changed."""

    workspace: Workspace
    settings: Settings
    reporter: Reporter
    force: frozenset[str] = frozenset()

    def board(self) -> Board:
        """The chosen board's profile."""
        return load_board(self.settings.build.board, self.workspace.boards_folder)

    def engine_of(self, board: Board) -> tuple[str, Engine]:
        """Name and build description of the chosen engine, or of the board's default one."""
        name = self.settings.build.engine or board.default_engine
        if name not in board.engines:
            raise UnknownNameError(f"engine for {board.name}", name, sorted(board.engines))
        return name, board.engines[name]


def run_stage(
    job: Job,
    stage: str,
    folder: Path,
    inputs: Mapping[str, Any],
    make: Callable[[], Iterable[Path]],
) -> bool:
    """Runs ``make`` (which returns the files it wrote into ``folder``) unless it is up to date.

    Returns whether it ran. ``inputs`` are plain JSON values: all that decides the result.
    """
    key = stage_key(inputs)
    if stage not in job.force and is_up_to_date(folder, stage, key):
        job.reporter.say(f"{stage}: up to date in {folder}")
        return False
    job.workspace.prepare(folder)
    outputs = list(make())
    record_stage(folder, stage, key, inputs, outputs)
    return True


def versions(*distributions: str) -> dict[str, str]:
    """Versions of edgekit and of installed distributions ("missing" where one is not installed)."""
    found = {"edgekit": __version__}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found
