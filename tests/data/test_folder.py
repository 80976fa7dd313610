"""Picture folders: what is read, in which order, and what is said about those that cannot be used."""

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.folder import digest_of_pictures, load_dataset
from edgekit.errors import DataError, UsageError


def add_pictures(folder: Path, count: int, shade: int = 100, suffix: str = ".png", start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        Image.new("RGB", (12, 10), (shade, number % 256, 0)).save(folder / f"{number:03}{suffix}")


def numbers(images: np.ndarray) -> list[int]:
    """The number that add_pictures painted into each picture."""
    return [int(image[0, 0, 1]) for image in images]


@pytest.fixture
def split_folder(tmp_path) -> Path:
    """Two classes under train/ and test/; the shade tells the class, the second channel the number."""
    add_pictures(tmp_path / "train" / "dogs", 4, shade=200)
    add_pictures(tmp_path / "train" / "cats", 3, shade=50)
    add_pictures(tmp_path / "test" / "cats", 2, shade=50, start=10)
    add_pictures(tmp_path / "test" / "dogs", 1, shade=200, start=10)
    return tmp_path


@pytest.fixture
def flat_folder(tmp_path) -> Path:
    add_pictures(tmp_path / "flat" / "a", 60, shade=10)
    add_pictures(tmp_path / "flat" / "b", 40, shade=20)
    return tmp_path / "flat"


def test_train_and_test_folders(split_folder):
    dataset = load_dataset(split_folder, 8, 3)
    assert dataset.class_names == ("cats", "dogs")
    assert dataset.train_images.shape == (7, 8, 8, 3)
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert dataset.train_images[:, 0, 0, 0].tolist() == [50] * 3 + [200] * 4
    assert numbers(dataset.test_images) == [10, 11, 10]
    assert dataset.test_labels.tolist() == [0, 0, 1]
    assert dataset.validation_images is None
    assert dataset.skipped == ()
    assert dataset.source == str(split_folder)


def test_grayscale(split_folder):
    assert load_dataset(split_folder, 8, 1).train_images.shape == (7, 8, 8, 1)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".bmp", ".WebP", ".PNG"])
def test_suffixes(split_folder, suffix):
    add_pictures(split_folder / "train" / "cats", 2, suffix=suffix, start=90)
    assert len(load_dataset(split_folder, 8, 3).train_images) == 9


def test_validation_folder_beside_test(split_folder):
    add_pictures(split_folder / "val" / "dogs", 2, start=70)
    dataset = load_dataset(split_folder, 8, 3)
    assert numbers(dataset.validation_images) == [70, 71]
    assert dataset.validation_labels.tolist() == [1, 1]
    assert len(dataset.test_images) == 3


def test_validation_folder_instead_of_test(split_folder):
    (split_folder / "test").rename(split_folder / "valid")
    dataset = load_dataset(split_folder, 8, 3)
    assert numbers(dataset.test_images) == [10, 11, 10]
    assert dataset.validation_images is None


def test_training_folder_alone_is_split(split_folder):
    add_pictures(split_folder / "train" / "cats", 40)
    (split_folder / "test").rename(split_folder / "unused")
    dataset = load_dataset(split_folder, 8, 3)
    assert len(dataset.train_images) + len(dataset.test_images) == 44
    assert set(dataset.test_labels) == {0, 1}


def test_flat_folder_is_split_by_class(flat_folder):
    dataset = load_dataset(flat_folder, 8, 3, test_fraction=0.25)
    assert len(dataset.train_images) + len(dataset.test_images) == 100
    counts = Counter(dataset.test_labels.tolist())
    assert 7 <= counts[0] <= 23
    assert 4 <= counts[1] <= 16


def test_the_split_depends_on_the_seed_alone(flat_folder):
    first, again = load_dataset(flat_folder, 8, 3), load_dataset(flat_folder, 8, 3)
    np.testing.assert_array_equal(first.train_images, again.train_images)
    other = load_dataset(flat_folder, 8, 3, seed=1)
    assert numbers(first.test_images) != numbers(other.test_images)


def test_adding_pictures_moves_none_between_the_sets(flat_folder):
    before = load_dataset(flat_folder, 8, 3)
    add_pictures(flat_folder / "a", 50, shade=10, start=100)
    add_pictures(flat_folder / "0", 5, shade=99)
    after = load_dataset(flat_folder, 8, 3)
    assert after.class_names == ("0", "a", "b")
    for label in (0, 1):
        old_train = set(numbers(before.train_images[before.train_labels == label]))
        old_test = set(numbers(before.test_images[before.test_labels == label]))
        assert old_train <= set(numbers(after.train_images[after.train_labels == label + 1]))
        assert old_test <= set(numbers(after.test_images[after.test_labels == label + 1]))


def test_the_smallest_flat_folder(tmp_path):
    add_pictures(tmp_path / "a", 2)
    add_pictures(tmp_path / "b", 2)
    dataset = load_dataset(tmp_path, 8, 3)
    assert dataset.train_labels.tolist() == dataset.test_labels.tolist() == [0, 1]


def test_max_images_is_shared_by_the_classes(flat_folder):
    dataset = load_dataset(flat_folder, 8, 3, max_images=11)
    assert sorted(Counter(dataset.train_labels.tolist()).values()) == [5, 6]
    everything = load_dataset(flat_folder, 8, 3)
    assert set(numbers(dataset.test_images)) <= set(numbers(everything.test_images))


def test_a_broken_picture_is_named_and_skipped(split_folder):
    broken = split_folder / "train" / "dogs" / "001.png"
    broken.write_bytes(broken.read_bytes()[:40])
    (split_folder / "train" / "dogs" / "notes.txt").write_text("not a picture, nor named like one")
    dataset = load_dataset(split_folder, 8, 3)
    assert numbers(dataset.train_images) == [0, 1, 2, 0, 2, 3]
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    (skipped,) = dataset.skipped
    assert skipped.path == broken
    assert "001.png is not a readable picture" in skipped.reason


def test_hidden_files_and_folders_are_ignored(split_folder):
    add_pictures(split_folder / "train" / ".cache", 3)
    (split_folder / "train" / "cats" / "._000.png").write_bytes(b"resource fork")
    dataset = load_dataset(split_folder, 8, 3)
    assert dataset.class_names == ("cats", "dogs")
    assert dataset.skipped == ()


def test_links_out_of_the_folder_are_ignored(split_folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    add_pictures(outside / "birds", 2)
    train = split_folder / "train"
    (train / "cats" / "zzz.png").symlink_to(outside / "birds" / "000.png")
    (train / "birds").symlink_to(outside / "birds")
    (train / "dogs" / "zzz.png").symlink_to(train / "dogs" / "000.png")
    dataset = load_dataset(split_folder, 8, 3)
    assert dataset.class_names == ("cats", "dogs")
    assert numbers(dataset.train_images) == [0, 1, 2, 0, 1, 2, 3, 0]


def test_the_folder_itself_may_be_a_link(split_folder, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "pictures"
    link.symlink_to(split_folder)
    assert len(load_dataset(link, 8, 3).train_images) == 7


def test_progress_counts_every_picture(split_folder):
    calls: list[tuple[int, int]] = []
    load_dataset(split_folder, 8, 3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(number, 10) for number in range(1, 11)]


def missing(tmp_path):
    return tmp_path / "missing"


def a_file(tmp_path):
    (tmp_path / "file.jpg").write_bytes(b"")
    return tmp_path / "file.jpg"


def empty(tmp_path):
    return tmp_path


def loose(tmp_path):
    add_pictures(tmp_path, 3)
    return tmp_path


def one_class(tmp_path):
    add_pictures(tmp_path / "train" / "cats", 3)
    return tmp_path


def no_pictures(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "readme.md").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (missing, "there is no picture folder .*missing"),
        (a_file, r"file\.jpg is a file"),
        (empty, "holds 0 folders, none with pictures in it, and 0 loose pictures"),
        (loose, "and 3 loose pictures"),
        (one_class, r"train has pictures of one class only \('cats'\)"),
        (no_pictures, "holds 2 folders, none with pictures in it"),
    ],
)
def test_unusable_folders_say_what_was_found_and_what_is_expected(tmp_path, make, found):
    with pytest.raises(DataError, match=f"{found}.*Expected are folders named after the classes"):
        load_dataset(make(tmp_path), 8, 3)


def test_a_test_class_without_training_pictures(split_folder):
    add_pictures(split_folder / "test" / "birds", 1)
    with pytest.raises(
        DataError, match=r"has the class 'birds', which the training pictures do not have.*cats, dogs"
    ):
        load_dataset(split_folder, 8, 3)


def test_an_empty_test_folder(split_folder):
    for path in (split_folder / "test").glob("*/*"):
        path.unlink()
    with pytest.raises(DataError, match="test holds no pictures"):
        load_dataset(split_folder, 8, 3)


def test_a_class_of_broken_pictures_only(split_folder):
    for path in (split_folder / "train" / "dogs").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no readable training picture of the class 'dogs'.*000\.png is not"):
        load_dataset(split_folder, 8, 3)


def test_more_memory_than_allowed(split_folder, monkeypatch):
    monkeypatch.setattr("edgekit.data.folder.MAX_DATASET_BYTES", 1000)
    with pytest.raises(DataError, match="10 pictures of 8x8x3 take 1,920 bytes"):
        load_dataset(split_folder, 8, 3)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_impossible_fractions(flat_folder, fraction):
    with pytest.raises(UsageError, match="test fraction"):
        load_dataset(flat_folder, 8, 3, test_fraction=fraction)


def test_real_photos(shared_folder):
    dataset = load_dataset(shared_folder / "data" / "cats_dogs", 32, 3, max_images=20)
    assert dataset.class_names == ("cats", "dogs")
    assert Counter(dataset.train_labels.tolist()) == Counter(dataset.test_labels.tolist()) == {0: 10, 1: 10}
    assert dataset.skipped == ()
    assert dataset.train_images.std() > 30


def test_the_digest_sees_what_is_loaded_and_nothing_else(split_folder):
    first = digest_of_pictures(split_folder)
    (split_folder / "train" / "cats" / "notes.txt").write_text("x")
    (split_folder / "README.md").write_text("x")
    assert digest_of_pictures(split_folder) == first
    picture = split_folder / "train" / "cats" / "000.png"
    picture.rename(picture.with_name("100.png"))
    renamed = digest_of_pictures(split_folder)
    assert renamed != first
    picture.with_name("100.png").write_bytes(b"other")
    assert digest_of_pictures(split_folder) not in {first, renamed}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_the_digest_follows_links_to_class_folders_as_the_loader_does(split_folder):
    add_pictures(split_folder / "stored", 2, shade=9)
    (split_folder / "train" / "birds").symlink_to(split_folder / "stored", target_is_directory=True)
    assert load_dataset(split_folder, 8, 3).class_names == ("birds", "cats", "dogs")
    first = digest_of_pictures(split_folder)
    add_pictures(split_folder / "stored", 1, shade=77)
    assert digest_of_pictures(split_folder) != first


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only Unicode names")
def test_names_that_are_not_utf8(split_folder):
    first = digest_of_pictures(split_folder)
    picture = split_folder / "train" / "cats" / "000.png"
    picture.rename(picture.with_name(os.fsdecode(b"\xff.png")))
    assert digest_of_pictures(split_folder) != first
    assert len(load_dataset(split_folder, 8, 3).train_images) == 7


def test_a_digest_of_no_picture_folder(tmp_path):
    with pytest.raises(DataError, match="no picture folder"):
        digest_of_pictures(tmp_path / "none")
