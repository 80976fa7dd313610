"""The pictures that a job's settings name: no more of them, and no more decoded, than a stage needs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.config import Settings, override
from edgekit.reporting import Reporter
from edgekit.stages.job import Job
from edgekit.workspace import Workspace


def job(workspace: Path, **data: object) -> Job:
    settings = override(Settings(), {f"data.{name}": value for name, value in data.items()})
    return Job(Workspace(workspace), settings, Reporter())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three training and two test pictures of each of two classes, and one test file that is no picture."""
    for split, count in (("train", 3), ("test", 2)):
        for shade, name in enumerate(("cats", "dogs")):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (shade, number, len(split))).save(folder / f"{number}.png")
    (tmp_path / "pictures" / "test" / "cats" / "broken.png").write_bytes(b"x")
    return tmp_path / "pictures"


@pytest.mark.parametrize("limit", [10, 300, 2_500])
def test_max_images_limits_the_built_in_set(tmp_path, limit):
    dataset = job(tmp_path, image_size=8, channels=1, max_images=limit).dataset
    assert (len(dataset.train_images), len(dataset.test_images)) == (limit, min(limit, 2_000))


def test_the_test_pictures_are_those_of_the_dataset(tmp_path, pictures, capsys):
    for source in ("shapes", str(pictures)):
        alone = job(tmp_path, source=source, image_size=8, max_images=20).test_pictures
        dataset = job(tmp_path, source=source, image_size=8, max_images=20).dataset
        np.testing.assert_array_equal(alone.images, dataset.test_images)
        np.testing.assert_array_equal(alone.labels, dataset.test_labels)
        assert alone.class_names == dataset.class_names
    assert capsys.readouterr().out.replace("\n", " ").count("broken.png") >= 2


def test_only_test_pictures_are_decoded(tmp_path, pictures, monkeypatch):
    from edgekit.data import folder

    decoded: list[Path] = []
    read_picture = folder.read_picture

    def count(path: Path, image_size: int, channels: int) -> np.ndarray:
        decoded.append(path)
        return read_picture(path, image_size, channels)

    monkeypatch.setattr(folder, "read_picture", count)
    work = job(tmp_path, source=str(pictures), image_size=8)
    assert len(work.test_pictures.images) == 4
    assert {path.parent.parent.name for path in decoded} == {"test"}


def test_a_loaded_dataset_is_used_again(tmp_path):
    work = job(tmp_path, image_size=8, max_images=20)
    assert work.dataset.test_images is work.test_pictures.images
