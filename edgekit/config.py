"""``edgekit.toml``: the settings of one project, typed and strictly validated.

Every setting has a default, so an empty folder is a valid project. Command-line flags override.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edgekit.errors import UsageError
from edgekit.records import Record, read_toml
from edgekit.workspace import Workspace

BUILT_IN_DATA = "shapes"


class DataSettings(Record):
    """``source`` is "shapes" (rendered, built in) or a picture folder, relative to the workspace.

    ``image_size`` is the input resolution ρ in pixels, ``channels`` 3 (RGB) or 1 (grayscale).
    ``test_fraction`` splits a folder that has no train/ and test/ of its own.
    """

    source: str = BUILT_IN_DATA
    image_size: int = 48
    channels: Literal[1, 3] = 3
    test_fraction: float = 0.2
    max_images: int | None = None


class ModelSettings(Record):
    """The network. ``alpha`` is the width multiplier; ``blocks`` counts the blocks of depth "stem"."""

    name: str = "model"
    architecture: Literal["mobilenet_v1", "mobilenet_v2"] = "mobilenet_v1"
    alpha: float = 0.25
    depth: Literal["full", "shallow", "stem"] = "stem"
    blocks: int = 6
    dropout: float = 0.0


class QuantizationSettings(Record):
    """``calibration_images`` are drawn, seeded, from the training pictures."""

    calibration_images: int = 300


class BuildSettings(Record):
    """``engine`` and ``toolchain`` default to the board's own choice."""

    board: str = "virt-cortex-m4"
    engine: Literal["aot", "tflm"] | None = None
    toolchain: Literal["zig", "gcc"] | None = None
    optimize: Literal["size", "speed"] = "speed"


class VerifySettings(Record):
    """How many vectors of each kind; ``pictures`` is a limit (0: none). ``port`` is a pyserial URL."""

    pictures: int = 200
    noise: int = 32
    structured: bool = True
    layer_check_inputs: int = 4
    port: str | None = None
