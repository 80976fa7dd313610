"""No board profile claims more than a test of this suite runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgekit.boards import board_names, load_board

ROOT = Path(__file__).resolve().parents[2]
BOARDS = [load_board(name) for name in board_names()]
# What a proof is worth: one of a level proves those below, too.
RANKS = {"generated": 0, "compiled": 1, "emulator": 2, "board": 3}


@pytest.fixture(scope="module")
def proofs(tmp_path_factory):
    """(level, board, engine) of each test that is marked to prove something, as pytest collects them."""
    marked = [
        path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.proves(" in path.read_text()
    ]
    listing = tmp_path_factory.mktemp("proofs") / "proofs.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "proofs",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, *map(str, marked)],
        cwd=ROOT,
        env={**os.environ, "EDGEKIT_PROOFS": str(listing), "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {(level, board, engine) for level, board, engine, _ in json.loads(listing.read_text())}


def unproved(boards, proofs) -> list[str]:
    """The boards whose claim, which is about their default engine, no test covers."""
    return [
        f"{board.name} claims '{board.proof.level}' ({board.proof.by}) for engine {board.default_engine}"
        for board in boards
        if board.proof.level != "generated"
        and not any(
            (level_of_proof, board.name, board.default_engine) in proofs
            for level_of_proof, rank in RANKS.items()
            if rank >= RANKS[board.proof.level]
        )
    ]


def test_every_claim_is_covered_by_a_test(proofs):
    """Mark the test that proves a board with ``pytest.mark.proves``, or claim less in its profile."""
    assert unproved(BOARDS, proofs) == []


def test_every_proof_is_of_a_known_level_board_and_engine(proofs):
    known = {(level, board.name, engine) for level in RANKS for board in BOARDS for engine in board.engines}
    assert proofs <= known


@pytest.mark.parametrize("level", ["compiled", "emulator", "board"])
def test_a_claim_without_a_test_is_noticed(proofs, level):
    board = next(board for board in BOARDS if not any(name == board.name for _, name, _ in proofs))
    boastful = msgspec.structs.replace(board, proof=msgspec.structs.replace(board.proof, level=level))
    assert len(unproved([boastful], proofs)) == 1


def test_a_claim_above_its_test_is_noticed(proofs):
    board = load_board("nucleo_f446re")
    boastful = msgspec.structs.replace(board, proof=msgspec.structs.replace(board.proof, level="board"))
    assert len(unproved([boastful], proofs)) == 1


def test_a_claim_for_another_engine_than_the_tested_one_is_noticed(proofs):
    board = msgspec.structs.replace(load_board("mps2-an500"), default_engine="tflm")
    assert len(unproved([board], proofs)) == 1
