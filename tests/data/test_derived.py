"""Rotated MNIST and the letters of EMNIST: how they are made, and what comes out."""

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data import derived
from keras_gcnn.data.dataset import Source

pytestmark = pytest.mark.backend_free


def made_up(n=40, test=10, classes=("0", "1")):
    """Images that can be told apart, with labels that say which they are."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (n, 5, 5, 1)).astype("uint8")
    labels = np.arange(n)
    return Source((images[test:], labels[test:]), (images[:test], labels[:test]), classes, "")


def distinct(dataset):
    """How many different images all splits have together."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return len({image.tobytes() for part in parts for image in part.images})


def test_turned_images_are_those_of_the_pool_turned():
    source = made_up()
    turned = derived.rotate_all(source, 12, 20)
    images = np.concatenate([source.test[0], source.train[0]])
    labels = np.concatenate([turned.train[1], turned.test[1]])
    assert [len(part[1]) for part in (turned.train, turned.test)] == [12, 20]
    assert len(set(labels)) == 32  # no image twice
    assert set(labels[:12]) & set(range(10))  # some of what was published for testing
    for image, label in zip(np.concatenate([turned.train[0], turned.test[0]]), labels, strict=True):
        # The centre stays, whatever the angle.
        assert image[2, 2] == images[label][2, 2]
        assert (image != images[label]).any()


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="40 images, and 41 are needed"):
        derived.rotate_all(made_up(), 21, 20)


def test_turning_is_always_the_same():
    first, second = (derived.rotate_all(made_up(), 12, 20) for _ in range(2))
    np.testing.assert_array_equal(first.train[0], second.train[0])
    np.testing.assert_array_equal(first.test[1], second.test[1])


def test_letters_of_both_cases_are_one_class():
    # Digits, then A to Z, then a b d e f g h n q r t (Cohen et al. 2017).
    labels = np.array([0, 9, 10, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46])
    letters = [-1, -1, "A", "Z", *"ABDEFGHNQRT"]
    expected = [one if one == -1 else ord(one) - ord("A") for one in letters]
    assert derived.fold_letters(labels).tolist() == expected


def test_digits_are_left_out():
    source = made_up(47, 7)
    letters = derived.keep_letters(source)
    assert len(letters.test[1]) == 0  # labels 0 to 6
    assert len(letters.train[1]) == 37
    assert letters.train[1][[0, 25, 26]].tolist() == [0, 25, 0]
    np.testing.assert_array_equal(letters.train[0], source.train[0][3:])
    assert letters.classes[12] == "M"


def test_rotated_mnist_is_the_same_whatever_the_seed(tfds_dir):
    directory = tfds_dir("mnist")
    first = data.load("rotated_mnist", validation=1000, seed=0, data_dir=directory)
    second = data.load("rotated_mnist", validation=1000, seed=1, data_dir=directory)
    assert (len(first.train), len(first.validation), len(first.test)) == (11_000, 1_000, 50_000)
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert not np.array_equal(first.train.labels, second.train.labels)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([first.train.labels, first.validation.labels])),
        np.sort(np.concatenate([second.train.labels, second.validation.labels])),
    )
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


def test_rotated_mnist_is_not_turned_again():
    with pytest.raises(ValueError, match="rotated already"):
        data.load("rotated_mnist", rotate=["test"])


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
