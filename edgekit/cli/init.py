"""``edgekit init``."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.options import board_option, workspace_option
from edgekit.errors import UsageError

_TEMPLATE = """\
# Settings of this edgekit project. Every line is optional; what is commented out shows the default.
# seed = {d.seed}

[data]
# "shapes" is rendered and built in. For pictures of your own name a folder that holds
# train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg (then a seeded part becomes the test set).
source = "{source}"
# image_size = {d.data.image_size}        # input resolution in pixels; 96 is usual for photos
# channels = {d.data.channels}           # 3 RGB, 1 grayscale
# test_fraction = {d.data.test_fraction}

[model]
# file = "model.tflite"  # an int8 model of your own, in place of training
# family = "{d.model.family}"
# alpha = {d.model.alpha}           # width multiplier
# depth = "{d.model.depth}"         # "full", "shallow" (without the five 14x14x512 blocks) or "stem"
# blocks = {d.model.blocks}             # of depth "stem"

[training]
# epochs = {d.training.epochs}
# batch_size = {d.training.batch_size}
# learning_rate = {d.training.learning_rate}

[build]
board = "{board}"        # `edgekit boards` lists them
# optimize = "{d.build.optimize}"     # or "size"

[device]
# port = "/dev/ttyUSB0"  # or COM7:921600, socket://host:port; emulated boards need none
# target = "pi@raspberrypi.local"  # a Linux board behind ssh

[verify]
# pictures = {d.verify.pictures}
# noise = {d.verify.noise}
"""


@click.command()
@workspace_option
@board_option
@click.option("-d", "--data", "data_source", default="shapes", help="Picture folder, or 'shapes' (built in).")
def init(workspace: Path, board: str | None, data_source: str) -> None:
    """Write a commented edgekit.toml."""
    from edgekit.boards import load_board
    from edgekit.config import Settings
    from edgekit.workspace import Workspace, write_atomically

    target = Workspace(workspace)
    board_name = load_board(board or "virt-cortex-m4", target.boards_folder).name
    if target.settings_file.exists():
        raise UsageError(
            f"{target.settings_file} exists already and is left as it is. Edit it, or remove it first."
        )
    workspace.mkdir(parents=True, exist_ok=True)
    target.prepare(workspace)
    text = _TEMPLATE.format(source=_toml_text(data_source), board=_toml_text(board_name), d=Settings())
    write_atomically(target.settings_file, text)
    click.echo(f"wrote {target.settings_file}; next: edgekit run --workspace {workspace}")


def _toml_text(value: str) -> str:
    """``value`` for use between the quotes of a basic TOML string."""
    return value.replace("\\", "\\\\").replace('"', '\\"')
