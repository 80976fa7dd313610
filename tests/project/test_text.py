"""Text from elsewhere is shown as it is, and cannot drive the terminal."""

import pytest

from edgekit.reporting import Reporter
from edgekit.text import printable, printable_name

HOSTILE = "a\x1b]0;title\x07b\r\x9b31m\u202e:bomb:[red]\udcff"
SHOWN = r"a\x1b]0;title\x07b\x0d\x9b31m\u202e:bomb:[red]\xff"


def test_control_characters_are_spelled_out():
    assert printable(HOSTILE) == SHOWN
    assert printable("one\ntwo\tα — ü 猫 \U000e0001") == "one\ntwo\tα — ü 猫 \\U000e0001"


def test_a_name_is_one_line():
    assert printable_name("a\n\tb") == r"a\x0a\x09b"


@pytest.mark.parametrize("show", ["say", "heading", "warn"])
def test_sentences_are_shown_as_they_are(show, capsys):
    getattr(Reporter(), show)(HOSTILE)
    assert capsys.readouterr().out.removeprefix("warning: ") == f"{SHOWN}\n"


def test_tables_are_shown_as_they_are(capsys):
    Reporter().table((HOSTILE, "n"), [(HOSTILE, "1")])
    assert capsys.readouterr().out.count(SHOWN) == 2


def test_progress_is_shown_as_it_is(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with Reporter().progress(HOSTILE) as advance:
        advance(1, 2)
    assert r"a\x1b]0;title\x07b\x0d\x9b31m\u202e:bomb:[red]\xff" in capsys.readouterr().out
