"""``edgekit boards``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgekit.cli.options import json_option, workspace_option


@click.command()
@workspace_option
@json_option
def boards(workspace: Path, json_output: bool) -> None:
    """List the boards, their engines, and how each was last proved."""
    import msgspec

    from edgekit.boards import board_names, load_board
    from edgekit.reporting import Reporter
    from edgekit.workspace import Workspace

    extra = Workspace(workspace).boards_folder
    profiles = [load_board(name, extra) for name in board_names(extra)]
    if json_output:
        click.echo(json.dumps([msgspec.to_builtins(board) for board in profiles], indent=2))
        return
    rows = [
        (
            board.name,
            board.title,
            board.mcu.core,
            _size(board.mcu.flash_bytes),
            _size(board.mcu.ram_bytes),
            ", ".join(f"{name} ({engine.framework})" for name, engine in board.engines.items()),
            f"{board.proof.level}: {board.proof.by}",
        )
        for board in profiles
    ]
    Reporter().table(("board", "what it is", "core", "flash", "RAM", "engines", "proved"), rows)


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "file system"
    for unit, divisor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= divisor:
            return f"{size_bytes / divisor:g} {unit}"
    return f"{size_bytes} B"
