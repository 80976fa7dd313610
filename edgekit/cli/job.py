"""Turns a command's options into a job."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.stages.job import Job

from edgekit.cli.options import SETTING_OF_OPTION

# Options that name a file or folder: relative to where the command is typed, not to the workspace.
_PATH_OPTIONS = {"model_file": "model.file", "data_source": "data.source", "tflm_root": "build.tflm_root"}


def open_job(
    workspace: Path,
    stages: Collection[str] | None = None,
    *,
    json_output: bool = False,
    force: bool = False,
    **options: Any,
) -> Job:
    """The job that ``options`` (named as in :mod:`edgekit.cli.options`, None: not given) describe.

    ``stages`` are those that the command is about (None: all).
    """
    from edgekit.config import BUILT_IN_DATA, load_settings, override
    from edgekit.reporting import Reporter
    from edgekit.stages.job import ALL_STAGES, Job
    from edgekit.workspace import Workspace

    target = Workspace(workspace.absolute())
    target.check()
    values = {SETTING_OF_OPTION[name]: value for name, value in options.items() if name in SETTING_OF_OPTION}
    for name, place in _PATH_OPTIONS.items():
        given = options.get(name)
        if given is not None and str(given) != BUILT_IN_DATA:
            values[place] = str(Path(given).absolute())
    board = options.get("board")
    if board is not None and board.endswith(".toml"):
        values["build.board"] = str(Path(board).absolute())
    settings = override(load_settings(target), values)
    reporter = Reporter(json_output)
    if not target.settings_file.exists():
        reporter.say(f"no edgekit.toml in {workspace}: using the defaults (`edgekit init` writes one)")
    return Job(target, settings, reporter, ALL_STAGES if stages is None else frozenset(stages), force)
