"""MNIST and other sets that TensorFlow Datasets prepared, where they are present."""

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data import derived
from keras_gcnn.data import tfds as prepared
from keras_gcnn.data.catalogue import CATALOGUE
from keras_gcnn.data.loading import names_fitting

pytestmark = [pytest.mark.backend_free, pytest.mark.usefixtures("read_once")]


def distinct(dataset):
    """How many different images all splits have together."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return len({image.tobytes() for part in parts for image in part.images})


# Rotated MNIST needs the whole of MNIST: its test follows.
@pytest.mark.parametrize("name", [name for name in data.names() if name != "rotated_mnist"])
@pytest.mark.usefixtures("read_few")
def test_the_form_of_every_data_set_is_known(name, tfds_dir, tmp_path):
    entry = CATALOGUE.get({"emnist_letters": "emnist"}.get(name, name))
    directory = None if entry is None else tfds_dir(entry.tfds_name)
    loaded = data.load(name, validation=1, data_dir=directory, cache=tmp_path)
    assert name in names_fitting(loaded.image_shape, len(loaded.classes))


def test_rotated_mnist_is_the_same_whatever_the_seed(tfds_dir, monkeypatch):
    directory = tfds_dir("mnist")
    # Made once, for both seeds: test_derived.py has that it is always made the same way.
    source = derived.DERIVED["rotated_mnist"](directory)
    monkeypatch.setitem(derived.DERIVED, "rotated_mnist", lambda data_dir: source)
    first = data.load("rotated_mnist", validation=1000, seed=0, data_dir=directory)
    second = data.load("rotated_mnist", validation=1000, seed=1, data_dir=directory)
    assert (len(first.train), len(first.validation), len(first.test)) == (11_000, 1_000, 50_000)
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.train.labels, second.train.labels)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([first.train.labels, first.validation.labels])),
        np.sort(np.concatenate([second.train.labels, second.validation.labels])),
    )
    assert "rotated_mnist" in names_fitting(first.image_shape, len(first.classes))
    assert distinct(first) == 62_000
    assert "not their file" in first.description
    # Which images and which angles: as in every result that was published with them.
    counts = [4990, 5570, 5004, 5126, 4957, 4493, 4925, 5171, 4861, 4903]
    assert np.bincount(first.test.labels).tolist() == counts
    assert 255 * first.test.images.sum(dtype="float64") == pytest.approx(1_310_198_027, rel=1e-6)
    # Turned by any angle, digits have no direction: their ink spreads alike both ways.
    ink = first.test.images[..., 0].mean(axis=0)
    rows, columns = (np.arange(28) - 13.5) ** 2 @ ink, ink @ (np.arange(28) - 13.5) ** 2
    assert rows.sum() == pytest.approx(columns.sum(), rel=0.01)
    assert data.load("mnist", data_dir=directory).test.images[..., 0].mean(
        axis=0
    ).sum() == pytest.approx(ink.sum(), rel=0.02)


def test_letters_of_emnist(tfds_dir):
    directory = tfds_dir("emnist/bymerge")
    letters = data.load("emnist_letters", validation=0.1, data_dir=directory)
    assert letters.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    total = len(letters.train) + len(letters.validation) + len(letters.test)
    assert len(letters.test) == pytest.approx(0.2 * total, rel=0.02)
    assert set(np.unique(letters.test.labels)) == set(range(26))
    assert "not EMNIST Letters" in letters.description
    assert distinct(letters) == total == 58_796
    # Upright, these mirror left to right; with rows and columns exchanged, top to bottom.
    for letter in "MUVWY":
        is_letter = letters.train.labels == letters.classes.index(letter)
        mean = letters.train.images[is_letter, ..., 0].mean(axis=0)
        sideways, upside_down = (
            np.corrcoef(mean.ravel(), mirrored.ravel())[0, 1]
            for mirrored in (mean[:, ::-1], mean[::-1])
        )
        assert sideways > upside_down + 0.05


def test_letters_are_split_the_same_whatever_the_seed(tfds_dir):
    directory = tfds_dir("emnist/bymerge")
    first, second = (data.load("emnist_letters", seed=i, data_dir=directory) for i in (0, 1))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.validation.images, second.validation.images)
    # With lower case of their own (A, E, H) and without: as in every published result.
    counts = np.bincount(first.test.labels)
    assert {one: counts[first.classes.index(one)] for one in "AEHOZ"} == {
        "A": 542,
        "E": 990,
        "H": 414,
        "O": 893,
        "Z": 170,
    }


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_class_names_are_those_of_the_files(tfds_dir, name):
    directory = tfds_dir(name)
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=directory)
    assert tuple(builder.info.features["label"].names) == CATALOGUE[name].classes
    assert prepared._stored_as_jpeg(tfds, builder, "test") == (name == "cifar10")


def test_emnist_is_upright_like_mnist(tfds_dir):
    """Class means of MNIST recognise EMNIST's digits, unless those are transposed."""
    directory = tfds_dir("mnist", "emnist/bymerge")
    mnist = data.load("mnist", subset=5000, data_dir=directory)
    assert (len(mnist.train), len(mnist.validation), len(mnist.test)) == (5000, 6000, 10_000)
    emnist = data.load("emnist", test_subset=4000, subset=1, data_dir=directory)
    is_digit = emnist.test.labels < 10
    images, labels = emnist.test.images[is_digit], emnist.test.labels[is_digit]
    assert len(labels) > 1000

    def standardized(images):
        # EMNIST's strokes are thicker than MNIST's: only the pattern is to count.
        flat = images.reshape(-1, 784)
        flat = flat - flat.mean(axis=1, keepdims=True)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    means = standardized(
        np.stack([mnist.train.images[mnist.train.labels == i].mean(axis=0) for i in range(10)])
    )

    def accuracy(images):
        return np.mean((standardized(images) @ means.T).argmax(axis=1) == labels)

    # Measured: 0.54 and 0.15 (0.1 is chance); handwriting of other people is not so easy.
    assert accuracy(images) > 0.45
    assert accuracy(images.swapaxes(1, 2)) < 0.25
