"""Batches depend on the seed and the epoch alone, their images' angles too."""

import numpy as np
import pytest

from keras_gcnn.data import Split, rotate
from keras_gcnn.training.batches import ShuffledBatches

pytestmark = pytest.mark.backend_free


@pytest.fixture
def split(rng):
    return Split(rng.random((10, 8, 8, 1), dtype="float32"), np.arange(10))


def epoch(batches, number):
    batches.start_epoch(number)
    images, labels = zip(*(batches[i] for i in range(len(batches))), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("turned", [False, True])
def test_every_epoch_has_an_order_of_its_own(split, turned):
    batches = ShuffledBatches(split, 4, 0, turned)
    first, second = epoch(batches, 0), epoch(batches, 1)
    assert sorted(first[1]) == sorted(second[1]) == list(range(10))
    assert list(first[1]) != list(second[1])
    again = epoch(ShuffledBatches(split, 4, 0, turned), 1)
    np.testing.assert_array_equal(again[0], second[0])
    np.testing.assert_array_equal(again[1], second[1])
    assert list(epoch(ShuffledBatches(split, 4, 1, turned), 0)[1]) != list(first[1])


def test_images_are_turned_only_if_asked(split):
    images, labels = epoch(ShuffledBatches(split, 4, 0), 0)
    np.testing.assert_array_equal(images, split.images[labels])
    batches = ShuffledBatches(split, 4, 0, rotate=True)
    turned, labels = epoch(batches, 0)
    assert np.abs(turned - split.images[labels]).max(axis=(1, 2, 3)).min() > 0.01
    np.testing.assert_array_equal(turned, rotate(split.images[labels], batches._angles[labels]))
    later, order = epoch(batches, 1)
    assert not np.allclose(later[np.argsort(order)], turned[np.argsort(labels)])
