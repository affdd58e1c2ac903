"""Large data sets of TFDS, which are read from a file as they are needed: small ones made here."""

import tracemalloc

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data.catalogue import CATALOGUE
from keras_gcnn.data.folders.stored import StoredImages
from tests.helpers.prepared import prepare, random_images

pytestmark = pytest.mark.backend_free
SPLITS = ("train", "validation", "test")
SINGLE = ("colorectal_histology", "eurosat")


def lands():
    return random_images(20, "eurosat/rgb"), np.arange(20) % 10


def written(tmp_path, name, **splits):
    """Loads a data set that has these splits of TFDS, with a cache beside it."""
    prepare(tmp_path / "tfds", CATALOGUE[name].tfds_name, splits)
    return lambda **options: data.load(
        name, data_dir=tmp_path / "tfds", cache=tmp_path / "cache", **options
    )


def camelyon(tmp_path):
    content = {
        split: (random_images(n, "patch_camelyon", n), np.arange(n) % 2)
        for split, n in zip(SPLITS, (9, 4, 5), strict=True)
    }
    return content, written(tmp_path, "patch_camelyon", **content)


def test_published_splits_stay_as_they_are(tmp_path):
    content, load = camelyon(tmp_path)
    loaded = load(validation=0.5)
    for split, (images, labels) in content.items():
        found = getattr(loaded, split)
        assert isinstance(found.images, StoredImages)
        np.testing.assert_array_equal(found.images[:], images / np.float32(255))
        np.testing.assert_array_equal(found.labels, labels)
    assert "4 validation images, 9 training and 5 test images, as published" in loaded.description
    assert "at random" not in loaded.description
    few = load(subset=4, test_subset=2, seed=3)
    assert (len(few.train), len(few.validation), len(few.test)) == (4, 4, 2)
    np.testing.assert_array_equal(few.test.images[:], load(test_subset=2).test.images[:])
    assert "taken for: train, test." in few.description


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_split_is_divided_by_class(name, tmp_path):
    classes = CATALOGUE[name].classes
    images = np.zeros((10 * len(classes), *CATALOGUE[name].image_shape), "uint8")
    images[:, 0, 0, 0] = np.arange(len(images))  # each is another one
    labels = np.arange(len(images)) % len(classes)
    load = written(tmp_path, name, train=(images, labels))
    one, other = load(validation=0.25), load(validation=0.25, seed=1)
    assert name in data.loading.names_fitting(one.image_shape, len(one.classes))
    for split, count in (("train", 6), ("validation", 2), ("test", 2)):
        assert np.bincount(getattr(one, split).labels).tolist() == [count] * len(classes)
    numbers = [np.rint(255 * getattr(one, split).images[:][:, 0, 0, 0]) for split in SPLITS]
    np.testing.assert_array_equal(np.sort(np.concatenate(numbers)), np.arange(len(images)))
    np.testing.assert_array_equal(numbers[2] % len(classes), one.test.labels)
    np.testing.assert_array_equal(one.test.images[:], other.test.images[:])
    assert np.abs(one.validation.images[:] - other.validation.images[:]).max() > 0
    assert "Published is a single split" in one.description
    assert "do not compare" not in one.description


def test_images_are_decoded_once_and_anew_when_the_files_change(tmp_path):
    shown = []

    def progress(items, label, total):
        shown.append((label, total))
        return items

    images, labels = lands()
    load = written(tmp_path, "eurosat", train=(images, labels))
    first = load(progress=progress)
    again = load(progress=progress)
    assert shown == [("decoding images", 20)]
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".images", ".json"]
    np.testing.assert_array_equal(first.train.images[:], again.train.images[:])
    np.testing.assert_array_equal(first.train.labels, again.train.labels)
    (tmp_path / "tfds").rename(tmp_path / "old")
    other = written(tmp_path, "eurosat", train=(255 - images, labels))(progress=progress)
    assert len(shown) == 2
    np.testing.assert_allclose(other.train.images[:], 1 - first.train.images[:], atol=1e-6)


def test_the_labels_are_written_anew_if_they_are_damaged(tmp_path):
    content, load = camelyon(tmp_path)
    load()
    for path in (tmp_path / "cache").glob("*.json"):
        path.write_text("[0, 1]")
    np.testing.assert_array_equal(load().train.labels, content["train"][1])


def test_the_memory_does_not_grow_with_the_images(tmp_path):
    images = np.zeros((600, *CATALOGUE["eurosat"].image_shape), "uint8")
    load = written(tmp_path, "eurosat", train=(images, np.arange(600) % 10))
    tracemalloc.start()
    try:
        loaded = load()
        loaded.train.images[np.arange(8)]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < images.nbytes / 3


@pytest.mark.parametrize(
    "damage",
    [lambda file: file.write_bytes(file.read_bytes()[:5000]), lambda file: file.unlink()],
    ids=["cut off", "missing"],
)
def test_damaged_files_are_reported_and_leave_nothing_behind(tmp_path, damage):
    load = written(tmp_path, "eurosat", train=lands())
    damage(next((tmp_path / "tfds").glob("eurosat/rgb/*/*train*")))
    with pytest.raises(data.DataNotFoundError, match=r"damaged or missing.*`tfds build eurosat/rg"):
        load()
    cache = tmp_path / "cache"
    assert not cache.exists() or not list(cache.iterdir())


def test_what_is_not_possible_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"read from a file .* have augment for training"):
        data.load("eurosat", rotate=["test"])
    load = written(tmp_path, "eurosat", train=lands())
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(ValueError, match=r"cannot be written.*KERAS_GCNN_CACHE"):
        load()


@pytest.mark.parametrize("name", SINGLE)
def test_classes_and_sizes_are_those_of_tfds(name, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.builder(CATALOGUE[name].tfds_name, data_dir=tmp_path).info.features
    assert tuple(features["label"].names) == CATALOGUE[name].classes
    assert features["image"].shape == CATALOGUE[name].image_shape
