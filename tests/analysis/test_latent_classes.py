"""How well the classes can be read from an embedding."""

import itertools
import math

import numpy as np
import pytest

from keras_gcnn import analysis
from tests.helpers.embeddings import flat, noise, split

pytestmark = pytest.mark.backend_free


def _nearest(train, test, neighbors):
    """Accuracy in percent, from the definition."""
    right = 0
    for vector, label in zip(flat(test.images), test.labels, strict=True):
        cosines = [
            (-sum(vector * other) / math.sqrt(sum(vector**2) * sum(other**2)), own)
            for other, own in zip(flat(train.images), train.labels, strict=True)
        ]
        votes = [own for _, own in sorted(cosines)[:neighbors]]
        right += max(sorted(set(votes)), key=votes.count) == label
    return 100 * right / len(test.labels)


@pytest.mark.parametrize("neighbors", [1, 2, 5])
def test_neighbours_agree_with_the_definition(rng, neighbors):
    labels = rng.integers(3, size=90)
    vectors = rng.normal(size=(90, 4)) + labels[:, None] * [1, 0, -1, 0.5]
    train, test = split(vectors[:40], labels[:40]), split(vectors[40:], labels[40:])
    expected = _nearest(train, test, neighbors)
    assert 40 < expected < 95
    assert analysis.knn_accuracy(flat, train, test, 40, neighbors) == pytest.approx(expected)


def test_labels_as_embedding_are_classified_whatever_their_length(rng):
    labels = rng.integers(4, size=400)
    vectors = np.eye(4)[labels] * 10 ** rng.uniform(-3, 3, size=(400, 1))
    vectors += 1e-3 * np.abs(vectors).max(axis=1, keepdims=True) * rng.normal(size=(400, 4))
    train, test = split(vectors[:200], labels[:200]), split(vectors[200:], labels[200:])
    assert analysis.knn_accuracy(flat, train, test, labels=40) == 100
    assert analysis.clustering_accuracy(flat, train) == 100


def test_noise_is_classified_by_chance(rng):
    labels = rng.integers(4, size=1200)
    train, test = (split(np.ones((600, 1)), own) for own in np.split(labels, 2))
    vectors = iter(rng.normal(size=(2, 600, 3)))
    assert 18 < analysis.knn_accuracy(lambda x: next(vectors)[: len(x)], train, test, 600) < 32
    assert 25 <= analysis.clustering_accuracy(noise, train) < 34


def _chosen(labels, number, seed=0):
    """Indices of the labelled images."""
    given = []

    def embed(images):
        given.append(images[:, 0, 0, 0].astype(int).tolist())
        return images[:, 0, 0] + 1

    train = split(np.arange(len(labels))[:, None], labels)
    analysis.knn_accuracy(embed, train, split([[0]], [0]), number, 1, seed)
    return given[0]


def test_the_labelled_images_are_balanced_and_random(rng):
    labels = rng.permutation([0] * 30 + [1] * 50 + [7] * 20)
    for number, counts in ((3, [1, 1, 1]), (10, [3, 3, 4]), (60, [20, 20, 20]), (75, [20, 27, 28])):
        chosen = _chosen(labels, number)
        assert len(set(chosen)) == number
        assert sorted(int(sum(labels[chosen] == one)) for one in (0, 1, 7)) == counts
    assert _chosen(labels, 10) == _chosen(labels, 10) == _chosen(labels, 60)[:10]
    assert _chosen(labels, 10) != _chosen(labels, 10, seed=1)
    assert sorted(_chosen(labels, 100)) == list(range(100))
    # Every image has its turn, and so has every class for the odd one.
    assert len({i for seed in range(60) for i in _chosen(labels, 20, seed)}) == 100
    odd = {int(labels[_chosen(labels, 4, seed)[3]]) for seed in range(20)}
    assert odd == {0, 1, 7}


# Clusters


def _matched(found, labels):
    """Largest share of images that agree, over all ways to match clusters and classes."""
    clusters, classes = sorted(set(found)), sorted(set(labels))
    size = max(len(clusters), len(classes))
    pairs = list(zip(found, labels, strict=True))
    padded = classes + [None] * (size - len(classes))
    return max(
        100
        * sum(dict(zip(clusters, names, strict=False))[f] == own for f, own in pairs)
        / len(pairs)
        for names in itertools.permutations(padded, len(clusters))
    )


@pytest.mark.parametrize("clusters", [2, 4, 6])
def test_clusters_are_matched_as_well_as_can_be(rng, clusters):
    found = np.arange(80) % clusters
    labels = np.where(rng.random(80) < 0.5, (3 * found + 1) % 4, rng.integers(4, size=80)) * 10
    directions = np.eye(6)[found] + 1e-3 * rng.normal(size=(80, 6))
    expected = _matched(found.tolist(), labels.tolist())
    measured = analysis.clustering_accuracy(flat, split(directions, labels), clusters)
    assert measured == pytest.approx(expected)


def test_each_cluster_has_one_class_and_each_class_one_cluster():
    found = [0] * 19 + [1] * 9
    labels = [0] * 10 + [1] * 9 + [0] * 9
    measured = analysis.clustering_accuracy(flat, split(np.eye(2)[found], labels))
    assert measured == pytest.approx(100 * 18 / 28)  # greedy 10 / 28, by majority 19 / 28


def test_a_constant_embedding_is_one_cluster():
    with pytest.warns(UserWarning, match="distinct clusters"):
        accuracy = analysis.clustering_accuracy(flat, split(np.zeros((8, 2)), [0] * 5 + [1] * 3))
    assert accuracy == pytest.approx(100 * 5 / 8)
