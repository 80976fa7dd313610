"""How large the tflm engine's arena is made: as the settings say, or as a verified device reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.boards import Board, EngineName
from edgekit.errors import UsageError
from edgekit.stages.job import Job
from edgekit.stages.quantize import Int8Model
from edgekit.verification.verdict import Verdict
from edgekit.workspace import read_json, write_json

AUTO_ARENA = "auto"
"""``build.arena``: what the last verified device reported, with what TFLite Micro needs beside it."""

ARENA_RECORD = "arena.json"
"""In the board's folder: what a verified device reported, for builds to come. It outlives the verdict."""


def record_arena(folder: Path, verdict: Verdict) -> None:
    """Keeps what a device with the tflm engine reported, once it was proved to run the model exactly."""
    if verdict.engine == "tflm" and verdict.exact:
        record = {"model_sha256": verdict.model_sha256, "arena_used_bytes": verdict.arena_used_bytes}
        write_json(folder / ARENA_RECORD, record)


def chosen_arena(job: Job, board: Board, engine: EngineName, model: Int8Model) -> int | None:
    """The arena in bytes that the settings ask for, None for the engine's estimate.

    Says so where it is to be what a device reported, and none did yet. Raises UsageError for an engine
    that plans its memory itself.
    """
    wanted = job.settings.build.arena
    if wanted is None:
        return None
    if engine != "tflm":
        raise UsageError(f"the engine {engine} plans its memory itself: leave --arena out.")
    if wanted != AUTO_ARENA:
        return int(wanted)
    used_bytes = _reported_bytes(job.workspace.board_folder(board.name), model.graph.sha256)
    if used_bytes is None:
        job.reporter.warn(
            f"no verified {board.name} has reported its arena for this model yet, so the estimate is used; "
            "`edgekit verify` proves one, and the next build with --arena auto is tight"
        )
        return None
    from edgekit.engines import tightened_arena

    return tightened_arena(used_bytes, model.graph, model.data, board)


def _reported_bytes(folder: Path, model_sha256: str) -> int | None:
    path = folder / ARENA_RECORD
    record: Any = read_json(path) if path.is_file() else None
    if not isinstance(record, dict) or record.get("model_sha256") != model_sha256:
        return None
    used_bytes = record.get("arena_used_bytes")
    return used_bytes if isinstance(used_bytes, int) and used_bytes > 0 else None
