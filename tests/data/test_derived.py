"""Rotated MNIST and the letters of EMNIST: how they are made, and what comes out."""

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data import derived
from keras_gcnn.data.dataset import Source

pytestmark = pytest.mark.backend_free


def made_up(n=40, test=10, classes=("0", "1")):
    """Images that are all different, with labels that identify them."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (n, 5, 5, 1)).astype("uint8")
    labels = np.arange(n)
    return Source((images[test:], labels[test:]), (images[:test], labels[:test]), classes, "")


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


def test_rotated_mnist_is_not_turned_again():
    with pytest.raises(ValueError, match="rotated already"):
        data.load("rotated_mnist", rotate=["test"])
