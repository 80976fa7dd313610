"""The built-in picture set: ten kinds of shapes, drawn from a seed.

Everything is integer arithmetic on the raw 64-bit stream of PCG64, which NumPy guarantees never to
change (unlike the distributions of ``Generator``), so a seed gives the same bytes on every platform
and with every NumPy version.

A picture is a background (two colours, blended along a random direction, with stripes in a third of
the pictures), one shape of a contrasting colour at a random place, scale and rotation, smoothed at
its edges by 2x2 samples a pixel, and noise of up to ±24 a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.data.dataset import Dataset, LabelledPictures, Labels, Uint8Array
from edgekit.errors import UsageError

Int32Array = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

SHAPE_NAMES = (
    "bar",
    "circle",
    "crescent",
    "cross",
    "frame",
    "ring",
    "semicircle",
    "square",
    "star",
    "triangle",
)
SMALLEST_SHAPES_IMAGE = 8

# Coordinates within a shape: its circumscribed circle has this radius.
_RADIUS = 1024
_ROTATION_BITS = 14
# Outward normals of a pentagon, 1024 times (sin, cos) of 0°, 72°, 144°, 216° and 288°.
_PENTAGON = ((0, 1024), (974, 316), (602, -828), (-602, -828), (-974, 316))
_STAR_INRADIUS = 391
_CHUNK = 32
# Streams drawn from one seed, told apart by the second word of the seed sequence.
_TRAIN_STREAM, _TEST_STREAM = 0, 1


TRAIN_COUNT, TEST_COUNT = 16_000, 2_000


def shapes_dataset(
    train_count: int = TRAIN_COUNT,
    test_count: int = TEST_COUNT,
    image_size: int = 48,
    channels: int = 3,
    seed: int = 0,
) -> Dataset:
    """The built-in set with as many pictures of every class as of any other (± 1)."""
    train_images, train_labels = _render(train_count, image_size, channels, seed, _TRAIN_STREAM)
    test = shapes_test_pictures(test_count, image_size, channels, seed)
    return Dataset(
        train_images,
        train_labels,
        test.images,
        test.labels,
        SHAPE_NAMES,
        f"built-in shapes, seed {seed}",
    )


def shapes_test_pictures(
    count: int = TEST_COUNT, image_size: int = 48, channels: int = 3, seed: int = 0
) -> LabelledPictures:
    """The test set of :func:`shapes_dataset`, without rendering the training set."""
    images, labels = _render(count, image_size, channels, seed, _TEST_STREAM)
    return LabelledPictures(images, labels, SHAPE_NAMES)


def render_shapes(
    count: int, image_size: int = 48, channels: int = 3, seed: int = 0
) -> tuple[Uint8Array, Labels]:
    """``count`` pictures (count, image_size, image_size, channels) and labels; class i, i + 1, … in turn."""
    return _render(count, image_size, channels, seed, _TRAIN_STREAM)


def write_folder(folder: Path, dataset: Dataset, pictures_per_class: int) -> int:
    """Writes up to ``pictures_per_class`` pictures of each class and split as PNG: train/CLASS/0000.png.

    Returns how many were written.
    """
    splits = (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    )
    written = 0
    for split, images, labels in splits:
        for label, class_name in enumerate(dataset.class_names):
            class_folder = folder / split / class_name
            class_folder.mkdir(parents=True, exist_ok=True)
            chosen = np.flatnonzero(labels == label)[:pictures_per_class]
            for number, index in enumerate(chosen):
                pixels = images[index, :, :, 0] if dataset.channels == 1 else images[index]
                Image.fromarray(pixels).save(class_folder / f"{number:04}.png")
            written += len(chosen)
    return written


def _check(count: int, image_size: int, channels: int, seed: int) -> None:
    if count < 0:
        raise UsageError(f"{count} pictures cannot be drawn.")
    if image_size < SMALLEST_SHAPES_IMAGE:
        raise UsageError(f"shapes need {SMALLEST_SHAPES_IMAGE} pixels a side or more, not {image_size}.")
    if channels not in {1, 3}:
        raise UsageError(f"channels is {channels}: 1 (grayscale) and 3 (RGB) are possible.")
    if seed < 0:
        raise UsageError(f"the seed is {seed}: it must not be negative.")


def _render(count: int, image_size: int, channels: int, seed: int, stream: int) -> tuple[Uint8Array, Labels]:
    _check(count, image_size, channels, seed)
    labels = np.arange(count, dtype=np.int64) % len(SHAPE_NAMES)
    images = np.empty((count, image_size, image_size, channels), dtype=np.uint8)
    for label in range(len(SHAPE_NAMES)):
        members = np.flatnonzero(labels == label)
        for number, start in enumerate(range(0, len(members), _CHUNK)):
            chunk = members[start : start + _CHUNK]
            random = _RandomIntegers(seed, stream, label, number)
            images[chunk] = _render_chunk(label, _CHUNK, image_size, channels, random)[: len(chunk)]
    return images, labels


class _RandomIntegers:
    """Integers from the raw stream of PCG64."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def below(self, limit: int, shape: tuple[int, ...]) -> Int32Array:
        """int32 in [0, limit), limit up to 2**31, by multiply and shift of 32 raw bits."""
        raw = self._bits.random_raw(int(np.prod(shape))).reshape(shape) >> np.uint64(32)
        return ((raw * np.uint64(limit)) >> np.uint64(32)).astype(np.int32)

    def between(self, low: int, high: int, shape: tuple[int, ...]) -> Int32Array:
        """int32 in [low, high]."""
        return self.below(high - low + 1, shape) + np.int32(low)

    def noise(self, amplitude: int, shape: tuple[int, ...]) -> NDArray[np.int16]:
        """int16 in [-amplitude, amplitude), from 8 raw bits each."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count]
        return ((raw.astype(np.int16) - 128) * amplitude >> 7).reshape(shape)


def _render_chunk(
    label: int, count: int, image_size: int, channels: int, random: _RandomIntegers
) -> Uint8Array:
    coverage = _coverage(label, count, image_size, random)
    background, colour = _background(count, image_size, channels, random)
    blend = (colour - background) * coverage[..., np.newaxis] >> 2
    noisy = background + blend + random.noise(24, background.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _coverage(label: int, count: int, image_size: int, random: _RandomIntegers) -> NDArray[np.int16]:
    """How many of the 2x2 samples of each pixel lie in the shape: (count, H, W) int16 in 0…4."""
    x, y = _shape_coordinates(count, image_size, random)
    inside = _MEMBERSHIP[SHAPE_NAMES[label]](x, y).astype(np.int16)
    rows = inside[:, 0::2] + inside[:, 1::2]
    covered: NDArray[np.int16] = rows[:, :, 0::2] + rows[:, :, 1::2]
    return covered


def _shape_coordinates(count: int, image_size: int, random: _RandomIntegers) -> tuple[Int32Array, Int32Array]:
    """Coordinates of every sample in the shape's own frame, (count, 2H, 2W) each.

    The image is 2**12 units wide; the shape's radius is 18 to 42 % of the image's side, and its centre
    keeps it at least four fifths inside.
    """
    size = 1 << 12
    radius = random.between(size * 18 // 100, size * 42 // 100, (count, 1, 1))
    margin = radius * 4 // 5
    centre_x = margin + (random.below(1 << 16, (count, 1, 1)) * ((size - 2 * margin) >> 4) >> 12)
    centre_y = margin + (random.below(1 << 16, (count, 1, 1)) * ((size - 2 * margin) >> 4) >> 12)
    samples = ((2 * np.arange(2 * image_size, dtype=np.int32) + 1) * size) // (4 * image_size)
    dx = (samples[np.newaxis, np.newaxis, :] - centre_x) * _RADIUS // radius
    dy = (samples[np.newaxis, :, np.newaxis] - centre_y) * _RADIUS // radius
    cosine, sine = _rotation(count, random)
    # |dx|, |dy| stay below 2**13 and cosine, sine within 2**14, so every sum fits 29 bits.
    x = (cosine * dx + sine * dy) >> _ROTATION_BITS
    y = (cosine * dy - sine * dx) >> _ROTATION_BITS
    return x, y


def _rotation(count: int, random: _RandomIntegers) -> tuple[Int32Array, Int32Array]:
    """Cosine and sine of random angles times 2**14, by the rational parametrization of the circle:
    cos = (1 - t²) / (1 + t²), sin = 2t / (1 + t²) for t in [0, 1), and a random quarter turn.
    """
    t = random.below(256, (count, 1, 1)).astype(np.int64)
    norm = (1 << 16) + t * t
    cosine = ((((1 << 16) - t * t) << _ROTATION_BITS) // norm).astype(np.int32)
    sine = (((512 * t) << _ROTATION_BITS) // norm).astype(np.int32)
    quarter = random.below(4, (count, 1, 1))
    turned_cosine = np.choose(quarter, (cosine, -sine, -cosine, sine))
    turned_sine = np.choose(quarter, (sine, cosine, -sine, -cosine))
    return turned_cosine, turned_sine


def _background(
    count: int, image_size: int, channels: int, random: _RandomIntegers
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Backgrounds (count, H, W, C) and shape colours (count, 1, 1, C), int16 in 0…255.

    In every channel the shape's colour is at least 80 away from the background's first colour, modulo
    256; the second colour is at most 40 away from the first.
    """
    first = random.below(256, (count, 1, 1, channels))
    second = np.clip(first + random.between(-40, 40, first.shape), 0, 255)
    colour = (first + random.between(80, 176, first.shape)) & 255
    column = np.arange(image_size, dtype=np.int32)[np.newaxis, np.newaxis, :, np.newaxis]
    row = column.reshape(1, image_size, 1, 1)
    step_x = random.between(-16, 16, (count, 1, 1, 1))
    step_y = random.between(-16, 16, (count, 1, 1, 1))
    ramp = (column * step_x + row * step_y) * 16 // image_size
    striped = random.below(3, (count, 1, 1, 1)) == 0
    frequency = random.between(1, 3, (count, 1, 1, 1))
    stripes = ((ramp * frequency >> 6) & 1) * 256
    weight = np.where(striped, stripes, np.clip(ramp // 2 + 128, 0, 256))
    background = first + ((second - first) * weight >> 8)
    return background.astype(np.int16), colour.astype(np.int16)


def _in_disc(x: Int32Array, y: Int32Array, radius: int) -> BoolArray:
    inside: BoolArray = x * x + y * y <= radius * radius
    return inside


def _in_box(x: Int32Array, y: Int32Array, half_width: int, half_height: int) -> BoolArray:
    inside: BoolArray = (np.abs(x) <= half_width) & (np.abs(y) <= half_height)
    return inside


def _in_cross(x: Int32Array, y: Int32Array) -> BoolArray:
    return _in_box(x, y, 980, 300) | _in_box(x, y, 300, 980)


def _in_crescent(x: Int32Array, y: Int32Array) -> BoolArray:
    return _in_disc(x, y, _RADIUS) & ~_in_disc(x - 460, y, 820)


def _in_semicircle(x: Int32Array, y: Int32Array) -> BoolArray:
    return _in_disc(x, y + 400, _RADIUS) & (y >= -400)


def _in_star(x: Int32Array, y: Int32Array) -> BoolArray:
    """A pentagram: the points on the inner side of at least four of a pentagon's five edges' lines."""
    sides = [(nx * x + ny * y <= _STAR_INRADIUS * 1024).astype(np.int8) for nx, ny in _PENTAGON]
    inside: BoolArray = sum(sides[1:], start=sides[0]) >= 4
    return inside


def _in_triangle(x: Int32Array, y: Int32Array) -> BoolArray:
    """Equilateral, tip at (0, -1024): sides y <= 512 and ±√3 x - y <= 1024, with √3 as 1773 / 1024."""
    tilted = 1773 * np.abs(x) - 1024 * y
    inside: BoolArray = (y <= 512) & (tilted <= 1024 * 1024)
    return inside


_MEMBERSHIP: dict[str, Callable[[Int32Array, Int32Array], BoolArray]] = {
    "bar": lambda x, y: _in_box(x, y, 1000, 260),
    "circle": lambda x, y: _in_disc(x, y, 900),
    "crescent": _in_crescent,
    "cross": _in_cross,
    "frame": lambda x, y: _in_box(x, y, 760, 760) & ~_in_box(x, y, 460, 460),
    "ring": lambda x, y: _in_disc(x, y, 950) & ~_in_disc(x, y, 600),
    "semicircle": _in_semicircle,
    "square": lambda x, y: _in_box(x, y, 740, 740),
    "star": _in_star,
    "triangle": _in_triangle,
}
