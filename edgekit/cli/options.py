"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class ArenaType(click.ParamType[int | str]):
    """Bytes, or "auto"."""

    name = "BYTES|auto"

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """``value`` as a number, or as it is where it is "auto"; anything else is a usage error."""
        if value == "auto" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of bytes nor 'auto'.", param, ctx)


def workspace_option(command: Command) -> Command:
    """Which workspace."""
    return click.option(
        "-w",
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(),
        show_default="the current folder",
        help="Folder with edgekit.toml; artefacts go to its out/.",
    )(command)


def json_option(command: Command) -> Command:
    """For scripts."""
    return click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")(command)


def force_option(command: Command) -> Command:
    """Run although up to date."""
    return click.option("--force", is_flag=True, help="Run the stage even when nothing changed.")(command)


def board_option(command: Command) -> Command:
    """Which board."""
    return click.option("-b", "--board", metavar="NAME", help="Board name, or a board profile's .toml file.")(
        command
    )


def model_option(command: Command) -> Command:
    """A model of the user's own."""
    return click.option(
        "-m",
        "--model",
        "model_file",
        metavar="FILE.tflite",
        type=click.Path(path_type=Path),
        help="An int8 model of your own, in place of the workspace's.",
    )(command)


def data_options(command: Command) -> Command:
    """Which pictures, and how the network sees them."""
    return _stack(
        command,
        click.option(
            "-d", "--data", "data_source", metavar="FOLDER", help="Picture folder, or 'shapes' (built in)."
        ),
        click.option("--image-size", type=int, help="Input resolution in pixels (ρ)."),
        click.option("--channels", type=click.Choice([1, 3]), help="1 grayscale, 3 RGB."),
        click.option("--max-images", type=int, help="Use at most this many pictures a split."),
        click.option("--seed", type=int, help="Decides every random choice."),
    )


def training_options(command: Command) -> Command:
    """Which network, trained how."""
    return _stack(
        command,
        click.option("--family", type=click.Choice(["mobilenet_v1", "mobilenet_v2"]), help="Network family."),
        click.option("--alpha", type=float, help="Width multiplier (α)."),
        click.option("--depth", type=click.Choice(["full", "shallow", "stem"])),
        click.option("--blocks", type=int, help="Blocks of depth 'stem'."),
        click.option("--epochs", type=int),
        click.option("--batch-size", type=int),
        click.option("--learning-rate", type=float),
    )


def build_options(command: Command) -> Command:
    """How the firmware is made."""
    return _stack(
        command,
        click.option("--engine", type=click.Choice(["aot", "tflm", "litert"])),
        click.option(
            "--kernels", type=click.Choice(["reference", "fast"]), help="Kernels of the engine litert."
        ),
        click.option("--toolchain", type=click.Choice(["zig", "gcc"])),
        click.option(
            "--optimize",
            type=click.Choice(["ram", "speed", "size"]),
            help="What to strive for: the smallest arena (default), the fewest instructions, or the smallest "
            "image.",
        ),
        click.option(
            "--passes/--no-passes",
            default=None,
            help="Take what adds nothing to the outputs out of the model first (engine aot; default: yes).",
        ),
        click.option(
            "--stream-input/--no-stream-input",
            default=None,
            help="Take the input row by row, never as a whole in memory (engine aot; default: no).",
        ),
        click.option(
            "--arena",
            type=ArenaType(),
            help="Arena of the engine tflm in bytes, or auto: what the last verified device used.",
        ),
        click.option(
            "--tflm-root",
            envvar="EDGEKIT_TFLM_ROOT",
            metavar="FOLDER",
            help="A TFLite Micro for the engine tflm on boards without an SDK: headers and "
            "libtensorflow-microlite.a. Default: EDGEKIT_TFLM_ROOT.",
        ),
    )


def device_options(command: Command) -> Command:
    """Where a real board is."""
    return _stack(
        command,
        click.option(
            "-p",
            "--port",
            metavar="URL",
            help="Serial port: /dev/ttyUSB0, COM7:921600, socket://host:port, or auto (by its USB ids).",
        ),
        click.option("--target", metavar="USER@HOST", help="A Linux board behind ssh."),
    )


def verify_options(command: Command) -> Command:
    """Which vectors."""
    return _stack(
        command,
        click.option("--pictures", type=int, help="At most this many test pictures."),
        click.option("--noise", type=int, help="Noise vectors."),
        click.option(
            "--structured/--no-structured", default=None, help="Corner vectors, ramps, checkerboards."
        ),
    )


def network_options(command: Command) -> Command:
    """Which network, trained on what."""
    return _stack(command, data_options, training_options)


def firmware_options(command: Command) -> Command:
    """Where, which board, which model, and how its firmware is made."""
    return _stack(command, workspace_option, board_option, model_option, build_options, network_options)


def proof_options(command: Command) -> Command:
    """With which vectors a device is proved, and where it is."""
    return _stack(command, verify_options, device_options)


def _stack(command: Command, *options: Callable[[Command], Command]) -> Command:
    return functools.reduce(lambda inner, option: option(inner), reversed(options), command)


SETTING_OF_OPTION = {
    "data_source": "data.source",
    "image_size": "data.image_size",
    "max_images": "data.max_images",
    "channels": "data.channels",
    "seed": "seed",
    "family": "model.family",
    "alpha": "model.alpha",
    "depth": "model.depth",
    "blocks": "model.blocks",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate",
    "calibration_images": "quantization.calibration_images",
    "board": "build.board",
    "engine": "build.engine",
    "kernels": "build.kernels",
    "toolchain": "build.toolchain",
    "optimize": "build.optimize",
    "passes": "build.passes",
    "stream_input": "build.stream_input",
    "arena": "build.arena",
    "tflm_root": "build.tflm_root",
    "port": "device.port",
    "target": "device.target",
    "pictures": "verify.pictures",
    "noise": "verify.noise",
    "structured": "verify.structured",
}
