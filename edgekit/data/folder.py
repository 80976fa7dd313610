"""Loads labelled pictures from a folder.

Two layouts are read, with pictures lying directly in the folders that name their class::

    FOLDER/train/CLASS/*.jpg  FOLDER/test/CLASS/*.jpg      (and, if present, FOLDER/val/CLASS/*.jpg)
    FOLDER/CLASS/*.jpg                                     (a seeded part becomes the test set)

With train/ and val/ but no test/, val/ is the test set; with train/ alone, a part of it is. Such a part
is chosen by a hash of seed, class and file name, so adding pictures never moves another one from one
set to the other. Suffixes .jpg, .jpeg, .png, .bmp and .webp count, in any case; hidden files and
symbolic links that leave the folder are ignored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from edgekit.data.dataset import Dataset, LabelledPictures, Labels, SkippedImage, Uint8Array
from edgekit.data.preprocessing import is_picture_name, read_picture
from edgekit.errors import DataError, UsageError
from edgekit.workspace import sha256_of_file

MAX_DATASET_BYTES = 4 * 1024**3
MAX_CLASSES = 1000

LAYOUT = (
    "Expected are folders named after the classes, with pictures (jpg, jpeg, png, bmp, webp) in each: "
    "FOLDER/train/CLASS/ and FOLDER/test/CLASS/, or FOLDER/CLASS/."
)

_TRAIN_NAME = "train"
_TEST_NAME = "test"
_VALIDATION_NAMES = ("val", "validation", "valid")
_DECODE_THREADS = 4

LoadProgress = Callable[[int, int], None]
"""Called with how many pictures have been decoded, and how many there are in all."""


@dataclass(frozen=True)
class _Picture:
    """A picture's file, label, and place in the seeded order of its class (uniform in [0, 1))."""

    path: Path
    label: int
    rank: float


@dataclass(frozen=True)
class _Splits:
    train: list[_Picture]
    test: list[_Picture]
    validation: list[_Picture] | None


def load_dataset(
    folder: Path,
    image_size: int,
    channels: int,
    seed: int = 0,
    *,
    test_fraction: float = 0.2,
    max_images: int | None = None,
    progress: LoadProgress | None = None,
) -> Dataset:
    """The pictures in ``folder`` under the preprocessing contract, in a reproducible order.

    ``max_images`` limits each of the train, test and validation sets; the classes share it evenly, and
    which pictures are taken depends on ``seed`` alone. Pictures that cannot be read are left out and
    listed in ``Dataset.skipped``.

    Raises DataError saying what was found where the folder has no usable layout, fewer than two
    classes, or a class without a readable training picture; UsageError for an impossible fraction.
    """
    class_names, splits = _list_splits(folder, seed, test_fraction)
    splits = _limited(splits, max_images)
    _check_memory(splits, image_size, channels)
    decoder = _Decoder(image_size, channels, _count(splits), progress)
    train_images, train_labels = decoder.decode(splits.train)
    test_images, test_labels = decoder.decode(splits.test)
    validation = None if splits.validation is None else decoder.decode(splits.validation)
    _check_decoded(folder, class_names, train_labels, test_labels, decoder.skipped)
    return Dataset(
        train_images,
        train_labels,
        test_images,
        test_labels,
        class_names,
        str(folder),
        tuple(decoder.skipped),
        None if validation is None else validation[0],
        None if validation is None else validation[1],
    )


def load_test_pictures(
    folder: Path,
    image_size: int,
    channels: int,
    seed: int = 0,
    *,
    test_fraction: float = 0.2,
    max_images: int | None = None,
    progress: LoadProgress | None = None,
) -> LabelledPictures:
    """The test pictures of :func:`load_dataset`, without decoding any other. Raises as it does."""
    class_names, splits = _list_splits(folder, seed, test_fraction)
    splits = _limited(_Splits([], splits.test, None), max_images)
    _check_memory(splits, image_size, channels)
    decoder = _Decoder(image_size, channels, _count(splits), progress)
    images, labels = decoder.decode(splits.test)
    _check_test_set(folder, labels, decoder.skipped)
    return LabelledPictures(images, labels, class_names, tuple(decoder.skipped))


def digest_of_pictures(folder: Path) -> str:
    """sha256 over the names and bytes of all files that :func:`load_dataset` may read, hexadecimal.

    That is through symbolic links too, and nothing else that lies in the folder. Raises as it does.
    """
    root = folder.resolve()
    _, splits = _list_splits(folder, seed=0, test_fraction=0.5)
    paths = {picture.path for picture in (*splits.train, *splits.test, *(splits.validation or ()))}
    digest = hashlib.sha256()
    for name, path in sorted((os.fsencode(path.relative_to(root)), path) for path in paths):
        digest.update(name + b"\0" + _digest_of_file(path) + b"\n")
    return digest.hexdigest()


def _digest_of_file(path: Path) -> bytes:
    """sha256 of a file's bytes; of one that cannot be read, and is skipped when loading, a mark."""
    try:
        return sha256_of_file(path).encode()
    except OSError:
        return b"unreadable"


def _list_splits(folder: Path, seed: int, test_fraction: float) -> tuple[tuple[str, ...], _Splits]:
    if not 0.0 < test_fraction < 1.0:
        raise UsageError(f"the test fraction is {test_fraction}: it must lie between 0 and 1.")
    root = _existing_folder(folder)
    try:
        return _find_splits(root, seed, test_fraction)
    except OSError as error:
        raise DataError(f"cannot list the picture folder {error.filename}: {error.strerror}.") from error


def _existing_folder(folder: Path) -> Path:
    if not folder.exists():
        raise DataError(f"there is no picture folder {folder}. {LAYOUT}")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file, not a picture folder. {LAYOUT}")
    return folder.resolve()


def _find_splits(root: Path, seed: int, test_fraction: float) -> tuple[tuple[str, ...], _Splits]:
    subfolders = {path.name.lower(): path for path in _subfolders(root)}
    if _TRAIN_NAME not in subfolders:
        class_names, pictures = _read_classes(root, root, seed)
        train, test = _hash_split(pictures, len(class_names), test_fraction)
        return class_names, _Splits(train, test, None)
    class_names, train = _read_classes(root, subfolders[_TRAIN_NAME], seed)
    validation_folder = next((subfolders[name] for name in _VALIDATION_NAMES if name in subfolders), None)
    test_folder = subfolders.get(_TEST_NAME, validation_folder)
    if test_folder is None:
        train, test = _hash_split(train, len(class_names), test_fraction)
        return class_names, _Splits(train, test, None)
    test = _read_split(root, test_folder, class_names, seed)
    if validation_folder in {None, test_folder}:
        return class_names, _Splits(train, test, None)
    return class_names, _Splits(train, test, _read_split(root, validation_folder, class_names, seed))


def _read_classes(root: Path, folder: Path, seed: int) -> tuple[tuple[str, ...], list[_Picture]]:
    """Names of the classes in ``folder`` (those that hold pictures), sorted, and their pictures."""
    found = {path.name: _picture_files(root, path) for path in _subfolders(folder)}
    class_names = tuple(sorted(name for name, files in found.items() if files))
    if len(class_names) < 2:
        raise DataError(f"{_what_is_in(folder, class_names)}; at least two classes are needed. {LAYOUT}")
    if len(class_names) > MAX_CLASSES:
        raise DataError(
            f"{folder} has {len(class_names):,} class folders; up to {MAX_CLASSES:,} can be used."
        )
    pictures = [
        _Picture(path, label, _rank(seed, name, path))
        for label, name in enumerate(class_names)
        for path in found[name]
    ]
    return class_names, pictures


def _read_split(root: Path, folder: Path, class_names: tuple[str, ...], seed: int) -> list[_Picture]:
    """Pictures of a test or validation folder, whose classes must be classes of the training set."""
    names, pictures = set(class_names), list[_Picture]()
    for path in _subfolders(folder):
        files = _picture_files(root, path)
        if files and path.name not in names:
            raise DataError(
                f"{folder} has the class '{path.name}', which the training pictures do not have. "
                f"Classes there: {', '.join(class_names)}."
            )
        pictures += [
            _Picture(file, class_names.index(path.name), _rank(seed, path.name, file)) for file in files
        ]
    if not pictures:
        raise DataError(f"{folder} holds no pictures in folders named after the classes. {LAYOUT}")
    return pictures


def _what_is_in(folder: Path, class_names: Sequence[str]) -> str:
    if class_names:
        return f"{folder} has pictures of one class only ('{class_names[0]}')"
    subfolders = sum(1 for _ in _subfolders(folder))
    loose = sum(1 for path in folder.iterdir() if path.is_file() and is_picture_name(path))
    return f"{folder} holds {subfolders:,} folders, none with pictures in it, and {loose:,} loose pictures"


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _picture_files(root: Path, folder: Path) -> list[Path]:
    """Picture files directly in ``folder``, sorted by name; those that lead out of ``root`` are left out."""
    if not folder.resolve().is_relative_to(root):
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if is_picture_name(path) and path.is_file() and path.resolve().is_relative_to(root)
    )


def _rank(seed: int, class_name: str, path: Path) -> float:
    digest = hashlib.blake2b(
        f"{seed}/{class_name}/{path.name}".encode("utf-8", "surrogateescape"), digest_size=8
    )
    return int.from_bytes(digest.digest(), "big") / 2**64


def _hash_split(
    pictures: list[_Picture], classes: int, test_fraction: float
) -> tuple[list[_Picture], list[_Picture]]:
    """Training and test pictures: test is whose rank is below ``test_fraction``, but of each class with
    two pictures or more at least the lowest rank, and never the highest.
    """
    test: set[Path] = set()
    for label in range(classes):
        members = sorted((p for p in pictures if p.label == label), key=lambda p: (p.rank, p.path))
        chosen = sum(picture.rank < test_fraction for picture in members)
        count = min(max(chosen, 1), len(members) - 1)
        test.update(picture.path for picture in members[:count])
    return [p for p in pictures if p.path not in test], [p for p in pictures if p.path in test]


def _limited(splits: _Splits, max_images: int | None) -> _Splits:
    if max_images is None:
        return splits
    validation = None if splits.validation is None else _sample(splits.validation, max_images)
    return _Splits(_sample(splits.train, max_images), _sample(splits.test, max_images), validation)


def _sample(pictures: list[_Picture], count: int) -> list[_Picture]:
    """Up to ``count`` pictures in their old order: the lowest ranks, taken from the classes in turn."""
    by_class: dict[int, list[_Picture]] = {}
    for picture in sorted(pictures, key=lambda p: (p.rank, p.path)):
        by_class.setdefault(picture.label, []).append(picture)
    rounds = zip_longest(*(by_class[label] for label in sorted(by_class)))
    in_turn = [picture for one_each in rounds for picture in one_each if picture is not None]
    chosen = {picture.path for picture in in_turn[:count]}
    return [picture for picture in pictures if picture.path in chosen]


def _count(splits: _Splits) -> int:
    return len(splits.train) + len(splits.test) + len(splits.validation or ())


def _check_memory(splits: _Splits, image_size: int, channels: int) -> None:
    size_bytes = _count(splits) * image_size * image_size * channels
    if size_bytes > MAX_DATASET_BYTES:
        raise DataError(
            f"{_count(splits):,} pictures of {image_size}x{image_size}x{channels} take {size_bytes:,} bytes "
            f"of memory; the limit is {MAX_DATASET_BYTES:,}. Use a smaller image size, or max_images."
        )


class _Decoder:
    """Decodes pictures on a few threads (Pillow releases the interpreter lock), keeping their order."""

    def __init__(self, image_size: int, channels: int, total: int, progress: LoadProgress | None) -> None:
        self.skipped: list[SkippedImage] = []
        self._shape = (image_size, image_size, channels)
        self._total = total
        self._done = 0
        self._progress = progress

    def decode(self, pictures: list[_Picture]) -> tuple[Uint8Array, Labels]:
        """Images (N, H, W, C) and labels (N,) of the readable ones; the others are added to ``skipped``."""
        images = np.empty((len(pictures), *self._shape), dtype=np.uint8)
        labels = np.empty(len(pictures), dtype=np.int64)
        kept = 0
        pool = ThreadPoolExecutor(_DECODE_THREADS)
        try:
            for picture, decoded in zip(pictures, pool.map(self._read, pictures), strict=True):
                if isinstance(decoded, DataError):
                    self.skipped.append(SkippedImage(picture.path, str(decoded)))
                else:
                    images[kept], labels[kept] = decoded, picture.label
                    kept += 1
                self._advance()
        finally:
            pool.shutdown(cancel_futures=True)
        return images[:kept], labels[:kept]

    def _read(self, picture: _Picture) -> Uint8Array | DataError:
        try:
            return read_picture(picture.path, self._shape[0], self._shape[2])
        except DataError as error:
            return error

    def _advance(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _check_decoded(
    folder: Path,
    class_names: tuple[str, ...],
    train_labels: Labels,
    test_labels: Labels,
    skipped: Iterable[SkippedImage],
) -> None:
    for label, name in enumerate(class_names):
        if not np.any(train_labels == label):
            raise DataError(
                f"{folder} has no readable training picture of the class '{name}'."
                f"{_first_unreadable(skipped)}"
            )
    _check_test_set(folder, test_labels, skipped)


def _check_test_set(folder: Path, test_labels: Labels, skipped: Iterable[SkippedImage]) -> None:
    if len(test_labels) == 0:
        raise DataError(f"{folder} has no readable test picture.{_first_unreadable(skipped)}")


def _first_unreadable(skipped: Iterable[SkippedImage]) -> str:
    first = next(iter(skipped), None)
    return f" The first that could not be read: {first.reason}" if first else ""
