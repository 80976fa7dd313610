"""A pytest plugin: lists what the collected tests prove, by their marker ``proves(level, *boards)``.

``python -m pytest --collect-only -p proofs`` writes it as JSON to the file that $EDGEKIT_PROOFS names:
[level, board, engine, test]. A test that names no boards proves those among its parameters.
"""

import json
import os
from pathlib import Path

import pytest

from edgekit.boards import board_names


def proofs_of(item: pytest.Item) -> list[tuple[str, str, str, str]]:
    """What one test proves."""
    parameters = (
        item.callspec.params.values() if isinstance(item, pytest.Function) and _has_parameters(item) else ()
    )
    known = set(board_names())
    named = [value for value in parameters if isinstance(value, str) and value in known]
    return [
        (marker.args[0], board, marker.kwargs.get("engine", "aot"), item.nodeid)
        for marker in item.iter_markers("proves")
        for board in marker.args[1:] or named
    ]


def _has_parameters(item: pytest.Function) -> bool:
    return hasattr(item, "callspec")


def pytest_collection_finish(session: pytest.Session) -> None:
    found = [proof for item in session.items for proof in proofs_of(item)]
    Path(os.environ["EDGEKIT_PROOFS"]).write_text(json.dumps(found), encoding="utf-8")
