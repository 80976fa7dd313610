"""Labelled pictures in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Uint8Array = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class SkippedImage:
    """A picture that could not be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class LabelledPictures:
    """One set of pictures (N, H, W, C) uint8 with labels (N,) int64 that index ``class_names``."""

    images: Uint8Array
    labels: Labels
    class_names: tuple[str, ...]
    skipped: tuple[SkippedImage, ...] = field(default=())


@dataclass(frozen=True)
class Dataset:
    """Pictures (N, H, W, C) uint8 with labels (N,) int64 that index ``class_names``.

    The test pictures take no part in training, nor in the choice of the best epoch. ``validation_*``
    are set only where the source has a validation split of its own; else training holds some of the
    training pictures back. ``source`` says where the pictures came from, for reports.
    """

    train_images: Uint8Array
    train_labels: Labels
    test_images: Uint8Array
    test_labels: Labels
    class_names: tuple[str, ...]
    source: str
    skipped: tuple[SkippedImage, ...] = field(default=())
    validation_images: Uint8Array | None = None
    validation_labels: Labels | None = None

    @property
    def test_pictures(self) -> LabelledPictures:
        """The test set by itself."""
        return LabelledPictures(self.test_images, self.test_labels, self.class_names, self.skipped)

    @property
    def image_size(self) -> int:
        """Side of the square pictures in pixels."""
        return int(self.train_images.shape[1])

    @property
    def channels(self) -> int:
        """1 (grayscale) or 3 (RGB)."""
        return int(self.train_images.shape[3])
