"""What every stage is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import edgekit
from edgekit import __version__
from edgekit.boards import Board, EngineName, load_board
from edgekit.config import BUILT_IN_DATA, Settings
from edgekit.errors import UnknownNameError
from edgekit.reporting import Reporter
from edgekit.workspace import Workspace, changed_inputs, record_stage, recorded_inputs, sha256_of_file

if TYPE_CHECKING:
    from edgekit.data.dataset import Dataset, LabelledPictures

ALL_STAGES = frozenset({"train", "quantize", "build"})

_Loaded = TypeVar("_Loaded", "Dataset", "LabelledPictures")


@dataclass(frozen=True)
class Job:
    """One command's work: where, with which settings, shown to whom.

    ``stages`` are those that the command is about: their results follow the settings, and with ``force``
    they run even when nothing changed. What other stages made before is used as it is, so that building
    or verifying never replaces a model that took an hour to train.
    """

    workspace: Workspace
    settings: Settings
    reporter: Reporter
    stages: frozenset[str] = ALL_STAGES
    force: bool = False

    @cached_property
    def dataset(self) -> Dataset:
        """The pictures that the settings name, loaded once a job. Says what was skipped."""
        from edgekit.data.folder import load_dataset
        from edgekit.data.shapes import TEST_COUNT, TRAIN_COUNT, shapes_dataset

        data, folder, seed = self.settings.data, self.picture_folder(), self.settings.seed
        if folder is None:
            self.reporter.say(f"pictures: the built-in '{BUILT_IN_DATA}' set")
            return shapes_dataset(
                self._limited(TRAIN_COUNT), self._limited(TEST_COUNT), data.image_size, data.channels, seed
            )
        return self._read(load_dataset, folder, f"reading {folder}")

    @cached_property
    def test_pictures(self) -> LabelledPictures:
        """The test pictures of :attr:`dataset`, without loading the others where it is not loaded yet."""
        from edgekit.data.folder import load_test_pictures
        from edgekit.data.shapes import TEST_COUNT, shapes_test_pictures

        if "dataset" in self.__dict__:
            return self.dataset.test_pictures
        data, folder, seed = self.settings.data, self.picture_folder(), self.settings.seed
        if folder is None:
            return shapes_test_pictures(self._limited(TEST_COUNT), data.image_size, data.channels, seed)
        return self._read(load_test_pictures, folder, f"reading the test pictures in {folder}")

    def _read(self, load: Callable[..., _Loaded], folder: Path, description: str) -> _Loaded:
        """What ``load`` makes of ``folder`` under the settings. Says what was skipped."""
        data = self.settings.data
        with self.reporter.progress(description) as advance:
            loaded = load(
                folder,
                data.image_size,
                data.channels,
                self.settings.seed,
                test_fraction=data.test_fraction,
                max_images=data.max_images,
                progress=advance,
            )
        for picture in loaded.skipped:
            self.reporter.warn(f"skipped {picture.path}: {picture.reason}")
        if loaded.skipped:
            self.reporter.warn(f"{len(loaded.skipped)} pictures were skipped in all")
        return loaded

    def _limited(self, count: int) -> int:
        limit = self.settings.data.max_images
        return count if limit is None else min(count, limit)

    def picture_folder(self) -> Path | None:
        """The folder of the user's pictures, or None for the built-in set."""
        source = self.settings.data.source
        return None if source == BUILT_IN_DATA else self.workspace.root / source

    def board(self) -> Board:
        """The chosen board's profile; its file may be named relative to the workspace."""
        name = self.settings.build.board
        if name.endswith(".toml"):
            name = str(self.workspace.root / name)
        return load_board(name, self.workspace.boards_folder)

    def engine_name(self, board: Board) -> EngineName:
        """The chosen engine, or the board's default one. Raises UnknownNameError where it has none such."""
        name = self.settings.build.engine or board.default_engine
        if name not in board.engines:
            raise UnknownNameError(f"engine for {board.name}", name, sorted(board.engines))
        return name


PREDECESSOR = "predecessor"
"""Name of the input that is another stage's result: where it changed, a result cannot be used any more."""


def run_stage(
    job: Job,
    stage: str,
    folder: Path,
    inputs: Mapping[str, Any],
    make: Callable[[], Iterable[Path]],
) -> bool:
    """Runs ``make`` (which returns the files it wrote into ``folder``) unless its results can be used.

    Returns whether it ran. ``inputs`` are plain JSON values: all that decides the result.
    """
    recorded = recorded_inputs(folder, stage)
    if recorded is not None and not (job.force and stage in job.stages):
        changed = changed_inputs(recorded, inputs)
        if not changed:
            job.reporter.say(f"{stage}: up to date in {folder}")
            return False
        if stage not in job.stages and PREDECESSOR not in changed:
            job.reporter.warn(
                f"{stage}: what is in {folder} was made with another {', '.join(changed)} and is used as it "
                f"is; `edgekit {stage}` makes it anew"
            )
            return False
    job.workspace.prepare(folder)
    record_stage(folder, stage, inputs, list(make()))
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


@cache
def sources_digest(*parts: str) -> str:
    """Digest of edgekit's own sources in ``parts`` (folders and modules of the package).

    A version number alone would call a result up to date that changed code would make differently.
    """
    package = Path(edgekit.__file__).parent
    files = [
        path
        for part in parts
        for path in ([package / part] if part.endswith(".py") else sorted((package / part).rglob("*")))
        if path.is_file() and path.suffix != ".pyc"
    ]
    digests = [f"{path.relative_to(package).as_posix()} {sha256_of_file(path)}" for path in files]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
