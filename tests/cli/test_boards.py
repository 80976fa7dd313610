"""The table of boards: what it says, for whom, and how wide."""

import json
import shutil
import sys
from os import terminal_size

import pytest

from edgekit.boards import board_names, load_board
from edgekit.cli.boards import paragraph, row


def test_a_row_says_what_the_profile_says():
    assert row(load_board("mps2-an386"))[:5] == ("mps2-an386", "cortex-m4f", "25 MHz", "4 MiB", "4 MiB")
    assert row(load_board("rpi4"))[4] == "file system"
    assert row(load_board("host"))[2] == "-"


@pytest.mark.parametrize("name", board_names())
def test_the_default_engine_comes_first_and_the_proof_is_the_profiles(name):
    board = load_board(name)
    *_, engines, proved = row(board)
    assert engines.startswith(f"{board.default_engine} ({board.engines[board.default_engine].framework})")
    words = {"board": "on the board", "emulator": "in an emulator", "compiled": "compiled only"}
    assert proved == f"{words.get(board.proof.level, 'generated only')}: {board.proof.by}"


def test_a_part_of_a_name_chooses(edgekit):
    names = [board["name"] for board in json.loads(edgekit("boards", "VIRT-cortex", "--json").out)]
    assert names == [name for name in board_names() if "virt-cortex" in name]
    assert len(edgekit("boards", "mps2-an386").out.splitlines()) == 2


def test_a_name_that_no_board_has_names_the_nearest(edgekit):
    outcome = edgekit("boards", "mps2-an368")
    assert outcome.exit_code == 2
    assert "Did you mean 'mps2-an386'?" in outcome.err


def test_a_narrow_terminal_gets_short_lines(edgekit, monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: terminal_size((80, 24)))
    assert len(edgekit("boards", "virt-cortex-m4").out.splitlines()) == 2, "in a pipe a board is a line"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert edgekit("boards", "virt-cortex-m4").out.splitlines() == list(
        paragraph(load_board("virt-cortex-m4"))
    )


@pytest.mark.parametrize("name", board_names())
def test_facts_fit_a_narrow_terminal(name):
    """All but the free words of title and proof."""
    title, facts, engines = list(paragraph(load_board(name)))[1:4]
    assert max(len(facts), len(engines)) <= 80
    assert len(title) <= 90
