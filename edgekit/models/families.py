"""The families of networks by name, with every choice checked."""

from __future__ import annotations

from typing import Literal

from edgekit.errors import UnknownNameError, UsageError
from edgekit.models import mobilenet_v1, mobilenet_v2
from edgekit.models.architecture import Architecture

Family = Literal["mobilenet_v1", "mobilenet_v2"]
Depth = Literal["full", "shallow", "stem"]

SMALLEST_IMAGE = 8
LARGEST_IMAGE = 1024

_BLOCK_COUNTS = {"mobilenet_v1": mobilenet_v1.BLOCK_COUNT, "mobilenet_v2": mobilenet_v2.BLOCK_COUNT}


def describe(
    family: Family,
    image_size: int,
    channels: int,
    classes: int,
    *,
    alpha: float = 0.25,
    depth: Depth = "stem",
    blocks: int = 6,
) -> Architecture:
    """The network of ``family`` for square pictures of ``image_size`` pixels and this many classes.

    ``channels`` is 1 (grayscale) or 3 (RGB), ``alpha`` the width multiplier. ``depth`` "shallow" (V1
    only) leaves out the five blocks of 512 filters, "stem" keeps only the first ``blocks`` blocks.

    Raises UsageError for values that describe no network.
    """
    _check(family, image_size, channels, classes, alpha, depth, blocks)
    if family == "mobilenet_v1":
        return mobilenet_v1.mobilenet_v1(image_size, channels, classes, alpha, depth, blocks)
    if depth == "shallow":
        raise UsageError('depth "shallow" exists for mobilenet_v1 only; use "full" or "stem".')
    return mobilenet_v2.mobilenet_v2(image_size, channels, classes, alpha, depth, blocks)


def _check(
    family: str, image_size: int, channels: int, classes: int, alpha: float, depth: str, blocks: int
) -> None:
    if family not in _BLOCK_COUNTS:
        raise UnknownNameError("model family", family, _BLOCK_COUNTS)
    if not SMALLEST_IMAGE <= image_size <= LARGEST_IMAGE:
        raise UsageError(
            f"image_size is {image_size}: it must lie between {SMALLEST_IMAGE} and {LARGEST_IMAGE} pixels."
        )
    if channels not in {1, 3}:
        raise UsageError(f"channels is {channels}: 1 (grayscale) and 3 (RGB) are possible.")
    if classes < 2:
        raise UsageError(f"there are {classes} classes; a classifier needs at least 2.")
    if not 0.0 < alpha <= 2.0:
        raise UsageError(f"alpha is {alpha}: the width multiplier must lie above 0 and up to 2.")
    if depth == "stem" and not 1 <= blocks <= _BLOCK_COUNTS[family]:
        raise UsageError(f"blocks is {blocks}: {family} has 1 to {_BLOCK_COUNTS[family]} blocks.")
