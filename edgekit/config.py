"""``edgekit.toml``: the settings of one project, typed and strictly validated.

Every setting has a default, so an empty folder is a valid project. Command-line flags override.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgekit.boards import EngineName, KernelsName, ToolchainName
from edgekit.errors import UsageError
from edgekit.models.families import Depth, Family
from edgekit.records import Record, read_toml
from edgekit.toolchains.flags import DEFAULT_OPTIMIZE, Optimize
from edgekit.training import TrainingSettings
from edgekit.workspace import Workspace

BUILT_IN_DATA = "shapes"
DETECT_PORT = "auto"
"""``device.port`` where the port is to be found by the USB ids of the board's profile."""

# The limits hold for edgekit.toml and for the command line alike.
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_ImageSize = Annotated[int, msgspec.Meta(ge=8, le=512)]
_Alpha = Annotated[float, msgspec.Meta(ge=0.05, le=2.0)]
_Blocks = Annotated[int, msgspec.Meta(ge=1, le=13)]
_Fraction = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
_ArenaBytes = Annotated[int, msgspec.Meta(ge=1, lt=1 << 32)]
_Seed = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class DataSettings(Record, frozen=True):
    """``source`` is "shapes" (rendered, built in) or a picture folder, relative to the workspace.

    ``image_size`` is the input resolution ρ in pixels, ``channels`` 3 (RGB) or 1 (grayscale).
    ``test_fraction`` splits a folder that has no train/ and test/ of its own; the built-in set has test
    pictures of its own and does not use it. ``max_images`` limits each of the train and test sets.
    """

    source: str = BUILT_IN_DATA
    image_size: _ImageSize = 48
    channels: Literal[1, 3] = 3
    test_fraction: _Fraction = 0.2
    max_images: _Positive | None = None


class ModelSettings(Record, frozen=True):
    """The network. ``family`` is "mobilenet_v1" or "mobilenet_v2", ``alpha`` the width multiplier;
    ``depth`` "shallow" (V1 only) leaves out the five middle blocks, "stem" keeps the first ``blocks``.

    ``file`` names an int8 .tflite of the user's own, relative to the workspace, in place of training.
    """

    file: str | None = None
    family: Family = "mobilenet_v1"
    alpha: _Alpha = 0.25
    depth: Depth = "stem"
    blocks: _Blocks = 6


class QuantizationSettings(Record, frozen=True):
    """``calibration_images`` are drawn, seeded, from the training pictures."""

    calibration_images: _Positive = 300


class BuildSettings(Record, frozen=True):
    """``engine`` and ``toolchain`` default to the board's own choice; ``kernels`` are the litert engine's,
    "reference" unless chosen. The aot engine's ``passes`` take out of the model what adds nothing to its
    outputs; with ``stream_input`` it takes its input row by row. The tflm engine's ``arena`` is bytes, or
    "auto" for what the last verified device reported; its ``tflm_root`` is the folder of a TFLite Micro, for
    boards without an SDK.
    """

    board: str = "virt-cortex-m4"
    engine: EngineName | None = None
    kernels: KernelsName | None = None
    toolchain: ToolchainName | None = None
    optimize: Optimize = DEFAULT_OPTIMIZE
    passes: bool = True
    stream_input: bool = False
    arena: _ArenaBytes | Literal["auto"] | None = None
    tflm_root: str | None = None


class VerifySettings(Record, frozen=True):
    """How many vectors of each kind; ``pictures`` is a limit (0: none).

    ``layer_check_inputs`` of them are also compared layer by layer. The last two are what fast kernels of
    the engine litert must keep (:class:`edgekit.verification.judgement.Tolerance`).
    """

    pictures: _Count = 200
    noise: _Count = 64
    structured: bool = True
    layer_check_inputs: _Count = 4
    max_mean_difference: Annotated[float, msgspec.Meta(ge=0.0, le=255.0)] = 4.0
    min_top1_agreement: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.8


class DeviceSettings(Record, frozen=True):
    """Where a real board is: ``port`` is a pyserial URL or "auto", ``target`` an ssh login such as pi@host.

    With neither, an emulated board is emulated, and the port of any other is found by its USB ids.
    """

    port: str | None = None
    target: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether there is one of the two."""
        return self.port is not None or self.target is not None


class Settings(Record, frozen=True):
    """All of ``edgekit.toml``.

    ``name`` names the model in the firmware; ``seed`` decides every random choice of every stage.
    """

    name: str = "model"
    seed: _Seed = 0
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    quantization: QuantizationSettings = QuantizationSettings()
    build: BuildSettings = BuildSettings()
    verify: VerifySettings = VerifySettings()
    device: DeviceSettings = DeviceSettings()


def load_settings(workspace: Workspace) -> Settings:
    """The workspace's settings, or the defaults where it has no ``edgekit.toml``."""
    if not workspace.settings_file.exists():
        return Settings()
    return read_toml(workspace.settings_file, Settings, "project file")


def override(settings: Settings, values: dict[str, Any]) -> Settings:
    """``settings`` with ``values`` ("model.alpha": 0.5) in place of its own; None means not given.

    Raises UsageError for a value out of its range.
    """
    plain = msgspec.to_builtins(settings)
    for place, value in values.items():
        if value is None:
            continue
        *path, key = place.split(".")
        table = plain
        for step in path:
            table = table[step]
        table[key] = value
    try:
        return msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting is not valid: {error}.") from error
