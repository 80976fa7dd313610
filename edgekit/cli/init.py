"""``edgekit init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.options import board_option, workspace_option
from edgekit.errors import UsageError
from edgekit.text import printable

if TYPE_CHECKING:
    from edgekit.config import Settings

_PHOTO_IMAGE_SIZE = 96
_PHOTO_DEPTH = "shallow"
_SHOWN_TRAINING = ("epochs", "batch_size", "learning_rate")
_NEAR = 3  # folders that a relative path may lead up before an absolute one is the clearer

_TEMPLATE = """\
# Settings of this edgekit project. Every line is optional; what is commented out shows the default.
# seed = {d.seed}

[data]
# "shapes" is rendered and built in. For pictures of your own name a folder that holds
# train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg (then a seeded part becomes the test set).
source = {source}
{image_size}        # input resolution in pixels; 96 is usual for photos
# channels = {d.data.channels}           # 3 RGB, 1 grayscale
# test_fraction = {d.data.test_fraction}

[model]
# file = "model.tflite"  # an int8 model of your own, in place of training
# family = "{d.model.family}"
# alpha = {d.model.alpha}           # width multiplier
{depth}         # "full", "shallow" (without the five 14x14x512 blocks) or "stem"
# blocks = {d.model.blocks}             # of depth "stem"

[training]
{training}

[build]
board = {board}        # `edgekit boards` lists them
# optimize = "{d.build.optimize}"     # or "speed", "size"

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
    """Write a commented edgekit.toml. For a picture folder it holds settings that suit photos."""
    from edgekit.boards import load_board
    from edgekit.config import BUILT_IN_DATA
    from edgekit.files import write_atomically
    from edgekit.workspace import Workspace

    target = Workspace(workspace.absolute())
    board_name = load_board(board or "virt-cortex-m4", target.boards_folder).name
    if board is not None and board.endswith(".toml"):
        board_name = _from_workspace(Path(board), target.root)
    photos = data_source != BUILT_IN_DATA
    source = _from_workspace(Path(data_source), target.root) if photos else data_source
    text = _settings_text(source, board_name, photos)
    if target.settings_file.exists():
        raise UsageError(
            f"{target.settings_file} exists already and is left as it is. Edit it, or remove it first."
        )
    workspace.mkdir(parents=True, exist_ok=True)
    target.prepare(target.root)
    write_atomically(target.settings_file, text)
    suited = " with settings for photos (image_size, depth, training)" if photos else ""
    click.echo(printable(f"wrote {target.settings_file}{suited}; next: edgekit run --workspace {workspace}"))


def _settings_text(source: str, board: str, photos: bool) -> str:
    from edgekit.config import Settings

    defaults = Settings()
    if photos:
        image_size, depth = f"image_size = {_PHOTO_IMAGE_SIZE}", f'depth = "{_PHOTO_DEPTH}"'
    else:
        image_size, depth = (
            f"# image_size = {defaults.data.image_size}",
            f'# depth = "{defaults.model.depth}"',
        )
    return _TEMPLATE.format(
        source=_toml_string(source),
        board=_toml_string(board),
        image_size=image_size,
        depth=depth,
        training=_training_text(defaults, photos),
        d=defaults,
    )


def _training_text(defaults: Settings, photos: bool) -> str:
    """The lines of [training]: those that photos need, or the most usual defaults as comments."""
    import msgspec

    plain = msgspec.to_builtins(defaults.training)
    if not photos:
        return "\n".join(f"# {name} = {plain[name]}" for name in _SHOWN_TRAINING)
    suited = msgspec.to_builtins(type(defaults.training).photos())
    return "\n".join(
        f"{name} = {_toml_value(value)}" for name, value in suited.items() if value != plain[name]
    )


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml_value(entry)}" for name, entry in value.items()) + " }"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _from_workspace(path: Path, root: Path) -> str:
    """``path``, named from the current folder, as a setting: relative to the workspace where it is near."""
    absolute = path.absolute()
    # Links are followed first, as the system does when it meets "..", but for the path's own name.
    actual = absolute.parent.resolve() / absolute.name if absolute.name != ".." else absolute.resolve()
    try:
        relative = Path(os.path.relpath(actual, root.resolve()))
    except ValueError:  # another drive
        return absolute.as_posix()
    if relative.parts[:_NEAR] == ("..",) * _NEAR:
        return actual.as_posix()
    return relative.as_posix() if relative.parts[:1] == ("..",) else f"./{relative.as_posix()}"


def _toml_string(value: str) -> str:
    """``value`` as a basic TOML string, in quotes. Raises UsageError where it is not Unicode."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"'{printable(value)}' cannot be written into edgekit.toml, because its name is not UTF-8. "
            "Rename it, or make a link to it."
        ) from error
    return f'"{"".join(map(_toml_character, value))}"'


def _toml_character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return f"\\u{ord(character):04x}" if ord(character) < 0x20 or character == "\x7f" else character
