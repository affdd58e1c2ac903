from importlib import resources

import numpy as np
import pytest

from keras_gcnn import data
from keras_gcnn.data.digits import _enlarge, read_digits

pytestmark = pytest.mark.backend_free


def _embedded():
    with resources.as_file(resources.files("keras_gcnn.data") / "digits.npz") as path:
        file = np.load(path)
        return file["images"], file["labels"]


def test_file_is_scikit_learns_and_small():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    images, labels = _embedded()
    original = sklearn_datasets.load_digits()
    assert images.shape == (1797, 8, 8)
    assert np.array_equal(images, original.images)
    assert np.array_equal(labels, original.target)
    assert (resources.files("keras_gcnn.data") / "digits.npz").stat().st_size < 100_000


def test_enlarging_commutes_with_quarter_turns_exactly():
    small = _embedded()[0]
    large = _enlarge(small)
    assert large.shape == (1797, 28, 28, 1)
    assert large.max() == 255
    for turns in (1, 2, 3):
        turned = _enlarge(np.rot90(small, turns, axes=(1, 2)))
        assert np.array_equal(turned, np.rot90(large, turns, axes=(1, 2)))


def test_enlarging_keeps_the_border_empty_and_the_picture():
    small = _embedded()[0]
    large = _enlarge(small)[..., 0] / 255
    inner = large[:, 4:-4, 4:-4]
    assert inner.sum() == pytest.approx(large.sum())
    # Block means of 5x5 of the result see 2x2 pixels of the original.
    coarse = inner.reshape(-1, 4, 5, 4, 5).mean(axis=(2, 4))
    original = small.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)) / 16
    assert np.corrcoef(coarse.ravel(), original.ravel())[0, 1] > 0.98
    assert abs(coarse.mean() - original.mean()) < 0.05


def test_fixed_split_is_stratified_and_complete():
    source = read_digits()
    (train, train_labels), (test, test_labels) = source.train, source.test
    assert (len(train), len(test)) == (1297, 500)
    total = np.bincount(np.concatenate([train_labels, test_labels]))
    assert np.array_equal(total, np.bincount(_embedded()[1]))
    assert np.all(abs(np.bincount(test_labels) - total * 500 / 1797) <= 1)
    # Together the parts are the whole, so no image is in both.
    whole = _enlarge(_embedded()[0])
    parts = np.concatenate([train, test])
    assert sorted(image.tobytes() for image in parts) == sorted(i.tobytes() for i in whole)


def test_a_digit_fits_when_turned():
    images = data.load("digits").test.images
    turned = data.rotate(images, 45)
    assert turned.sum() > 0.99 * images.sum()
