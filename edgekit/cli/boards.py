"""``edgekit boards``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.options import json_option, workspace_option
from edgekit.errors import UnknownNameError

if TYPE_CHECKING:
    from edgekit.boards import Board

_COLUMNS = ("board", "core", "clock", "RAM", "flash", "engines (framework)", "proved, with the first engine")
# Narrower than this, a row would break in the middle of its words.
_TABLE_WIDTH = 130

_PROOF = {
    "board": "on the board",
    "emulator": "in an emulator",
    "compiled": "compiled only",
    "generated": "generated only",
}


@click.command()
@click.argument("name", required=False)
@workspace_option
@json_option
def boards(name: str | None, workspace: Path, json_output: bool) -> None:
    """List the boards, their engines, and how each was last proved; with NAME those whose name has it.

    An engine's framework is what its firmware project is made for; the board's default engine comes first.
    """
    import msgspec

    from edgekit.boards import board_names, load_board
    from edgekit.workspace import Workspace

    extra = Workspace(workspace).boards_folder
    known = board_names(extra)
    wanted = [board for board in known if name is None or name.lower() in board.lower()]
    if name is not None and not wanted:
        raise UnknownNameError("board", name, known, "`edgekit boards` lists them all.")
    profiles = [load_board(board, extra) for board in wanted]
    if json_output:
        click.echo(json.dumps([msgspec.to_builtins(board) for board in profiles], indent=2))
    elif sys.stdout.isatty() and shutil.get_terminal_size().columns < _TABLE_WIDTH:
        click.echo("\n".join(line for board in profiles for line in paragraph(board)))
    else:
        _show_table(profiles)


def row(board: Board) -> tuple[str, ...]:
    """The board's cells of the table."""
    mcu = board.mcu
    return (
        board.name,
        mcu.core,
        _clock(mcu.clock_hz),
        _size(mcu.ram_bytes),
        "file system" if mcu.flash_bytes is None else _size(mcu.flash_bytes),
        ", ".join(_engines(board)),
        f"{_PROOF[board.proof.level]}: {board.proof.by}",
    )


def paragraph(board: Board) -> Iterable[str]:
    """The same in a few short lines, for a narrow terminal."""
    name, core, clock, ram, flash, engines, proved = row(board)
    facts = f"{core}, {clock}, RAM {ram}, flash {flash}"
    return (name, *(f"  {line}" for line in (board.title, facts, engines, proved)))


def _show_table(profiles: Sequence[Board]) -> None:
    from edgekit.reporting import Reporter

    Reporter().table(_COLUMNS, [row(board) for board in profiles])


def _engines(board: Board) -> list[str]:
    names = sorted(board.engines, key=lambda engine: (engine != board.default_engine, engine))
    return [f"{name} ({board.engines[name].framework})" for name in names]


def _clock(clock_hz: int) -> str:
    return f"{clock_hz / 1e6:g} MHz" if clock_hz else "-"


def _size(size_bytes: int) -> str:
    for unit, divisor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= divisor:
            return f"{size_bytes / divisor:.4g} {unit}"
    return f"{size_bytes} B"
