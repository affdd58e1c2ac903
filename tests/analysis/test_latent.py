import itertools
import math
import sys
import warnings

import numpy as np
import pytest

from keras_gcnn import analysis
from keras_gcnn.data import Split, random_angles, rotate


def _spot(n, seed=0):
    """A soft spot to the right of the centre: its centroid tells by how much it was turned."""
    distance = np.random.default_rng(seed).uniform(2.5, 4, n)[:, None, None]
    rows, columns = np.mgrid[-7:8, -7:8]
    return np.exp(-((columns - distance) ** 2 + rows**2) / 4)[..., None]


def _direction(images):
    """Cosine and sine of the angle of the centroid."""
    rows, columns = np.mgrid[-7:8, -7:8]
    sums = np.stack([(images[..., 0] * along).sum(axis=(1, 2)) for along in (columns, -rows)], 1)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def _noise(images, m=8, seed=5):
    """Vectors that have nothing to do with the images."""
    return np.random.default_rng(seed).normal(size=(len(images), m))


def _flat(images):
    return images.reshape(len(images), -1)


def _split(vectors, labels):
    """Images that `_flat` embeds as the vectors."""
    return Split(np.asarray(vectors, dtype=float)[:, None, None, :], np.asarray(labels))


# Leakage


def _leakage(embed, images, angles):
    """Ratio, largest and mean distance, from the formulas."""
    vectors = [
        [embed(rotate(image[None], 360 * k / angles))[0] for k in range(angles)] for image in images
    ]

    def variance(points):
        mean = [sum(values) / len(points) for values in zip(*points, strict=True)]
        return sum(sum((a - b) ** 2 for a, b in zip(p, mean, strict=True)) for p in points) / len(
            points
        )

    over_angles = sum(variance(own) for own in vectors) / len(images)
    over_images = variance([sum(own) / angles for own in vectors])
    distances = []
    for first, *others in vectors:
        for other in others:
            lengths = math.sqrt(sum(first**2)) * math.sqrt(sum(other**2))
            distances.append(math.acos(sum(first * other) / lengths))
    return over_angles, over_images, max(distances), sum(distances) / len(distances)


@pytest.mark.parametrize("angles", [2, 5, 8])
def test_leakage_agrees_with_the_formula(rng, angles):
    images = rng.random((4, 6, 7, 2))
    weights = rng.normal(size=(84, 3))

    def embed(images):
        return np.tanh(_flat(images) @ weights) + 0.2

    found = analysis.rotation_leakage(embed, images, angles)
    over_angles, over_images, largest, average = _leakage(embed, images, angles)
    assert found.over_angles == pytest.approx(over_angles)
    assert found.over_images == pytest.approx(over_images)
    assert found.ratio == pytest.approx(over_angles / over_images)
    assert found.largest == pytest.approx(largest)
    assert found.average == pytest.approx(average)


def test_what_only_quarter_turns_do_not_move_leaks_at_other_angles(rng):
    images = rng.random((5, 8, 8, 1))

    def corner(images):
        return np.stack([images[:, i, j, 0] for i in (0, -1) for j in (0, -1)], 1).sum(1)[:, None]

    quarters = analysis.rotation_leakage(corner, images, 4)
    assert quarters.ratio < 1e-25
    assert quarters.largest == 0
    assert analysis.rotation_leakage(corner, images, 8).ratio > 1


@pytest.mark.parametrize("value", [0.1, -3.7, 0.0])
def test_a_constant_embedding_has_no_ratio_and_no_warning(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analysis.rotation_leakage(lambda x: np.full((len(x), 3), value), _spot(7), 11)
    assert math.isnan(found.ratio)
    assert found.over_angles == found.over_images == 0
    # A vector of zeros has no direction.
    assert found.largest == 0 if value else math.isnan(found.largest)


def test_an_embedding_of_the_angle_alone_leaks_infinitely():
    calls = itertools.count()

    def embed(images):
        angle = 2 * np.pi * next(calls) / 6
        return np.tile([np.cos(angle), np.sin(angle)], (len(images), 1))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analysis.rotation_leakage(embed, _spot(7), 6)
    assert found.ratio == math.inf
    assert found.over_angles == pytest.approx(1)
    assert found.largest == pytest.approx(np.pi)
    assert found.average == pytest.approx(np.pi * (1 + 2 + 3 + 2 + 1) / 15)


def test_small_distances_are_accurate():
    calls = itertools.count()
    found = analysis.rotation_leakage(
        lambda x: np.tile([2.0, 2e-11 * next(calls)], (len(x), 1)), _spot(3), 2
    )
    assert found.largest == pytest.approx(1e-11, rel=1e-5)


def test_rings_leak_less_than_pixels():
    images = _spot(6)
    rows, columns = np.mgrid[-7:8, -7:8]
    ring = np.rint(np.hypot(rows, columns)).astype(int)

    def rings(images):
        return np.stack([images[:, ring == r].sum(axis=(1, 2)) for r in range(8)], 1)

    assert analysis.rotation_leakage(rings, images).ratio < 0.05
    assert analysis.rotation_leakage(_flat, images).ratio > 1
    assert analysis.angle_probe(rings, _spot(300)) < 0.1


# Angle


def test_an_embedding_of_the_angle_gives_it_away():
    assert analysis.angle_probe(_direction, _spot(200)) > 0.95


def test_nothing_is_found_where_nothing_is():
    images = _spot(200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for embed in (_noise, lambda x: _noise(x, 150), lambda x: np.ones((len(x), 3))):
            assert -1 < analysis.angle_probe(embed, images) < 0.1


def test_a_small_leak_in_an_odd_direction_is_found_but_rounding_is_not():
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]

    def leaking(scale):
        return lambda x: np.concatenate([scale * _direction(x), _noise(x, 4)], 1) @ axes

    assert analysis.angle_probe(leaking(1e-2), _spot(400)) > 0.8
    assert analysis.angle_probe(leaking(1e-7), _spot(400)) < 0.1


def test_a_leak_among_noise_of_its_own_size_is_found():
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]

    def embed(images):
        mixed = np.concatenate([_direction(images), 0.7 * _noise(images, 4)], 1) @ axes
        return np.concatenate([0.01 * mixed, _noise(images, 3, seed=6)], 1)

    assert analysis.angle_probe(embed, _spot(400)) > 0.85


def test_the_probe_is_tested_on_other_images_than_it_learnt_from(monkeypatch):
    images, n = _spot(51), 51
    angles, seen, embedded = [], [], []

    def draw(*arguments):
        angles.extend(random_angles(*arguments))
        return np.array(angles)

    def stub(constant):
        class Probe:
            def __init__(self, **kwargs):
                pass

            def fit(self, vectors, targets):
                seen.append((vectors, targets))
                return self

            def predict(self, vectors):
                seen.append((vectors, None))
                return np.tile(constant, (len(vectors), 1))

        return Probe

    def embed(images):
        embedded.append(images)
        return _flat(images)

    constants = ((0.3, -0.2), (0.1, 0.05))
    monkeypatch.setattr("keras_gcnn.analysis.latent.random_angles", draw)
    monkeypatch.setattr("sklearn.ensemble.ExtraTreesRegressor", stub(constants[0]))
    monkeypatch.setattr("sklearn.neural_network.MLPRegressor", stub(constants[1]))
    found = analysis.angle_probe(embed, images)

    np.testing.assert_array_equal(np.concatenate(embedded), rotate(images, angles))
    (learnt, targets), (held_out, _) = seen[:2]
    assert len(learnt) + len(held_out) == n
    assert abs(len(learnt) - len(held_out)) == 1
    both = np.concatenate([learnt, held_out])
    assert len(np.unique(both.round(9), axis=0)) == n
    points = np.array([(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in angles])
    own = [min(range(n), key=lambda i: sum((points[i] - t) ** 2)) for t in targets]
    assert len(set(own)) == len(targets)
    others = [points[i] for i in range(n) if i not in own]
    mean = sum(others) / len(others)
    spread = sum(sum((p - mean) ** 2) for p in others)
    scores = [1 - sum(sum((p - constant) ** 2) for p in others) / spread for constant in constants]
    assert found == pytest.approx(max(scores))


def test_images_drawn_with_the_same_seed_tell_nothing():
    brightness = np.random.default_rng(3).uniform(size=(200, 1, 1, 1))
    images = np.broadcast_to(brightness, (200, 5, 5, 1))
    assert analysis.angle_probe(lambda x: x[:, 2, 2], images, seed=3) < 0.1


def test_the_same_seed_gives_the_same_probe():
    images = _spot(60)
    first, again, other = (analysis.angle_probe(_flat, images, seed) for seed in (1, 1, 2))
    assert first == again != other


# Neighbours


def _nearest(train, test, neighbors):
    """Accuracy in percent, from the definition."""
    right = 0
    for vector, label in zip(_flat(test.images), test.labels, strict=True):
        cosines = [
            (-sum(vector * other) / math.sqrt(sum(vector**2) * sum(other**2)), own)
            for other, own in zip(_flat(train.images), train.labels, strict=True)
        ]
        votes = [own for _, own in sorted(cosines)[:neighbors]]
        right += max(sorted(set(votes)), key=votes.count) == label
    return 100 * right / len(test.labels)


@pytest.mark.parametrize("neighbors", [1, 2, 5])
def test_neighbours_agree_with_the_definition(rng, neighbors):
    labels = rng.integers(3, size=90)
    vectors = rng.normal(size=(90, 4)) + labels[:, None] * [1, 0, -1, 0.5]
    train, test = _split(vectors[:40], labels[:40]), _split(vectors[40:], labels[40:])
    expected = _nearest(train, test, neighbors)
    assert 40 < expected < 95
    assert analysis.knn_accuracy(_flat, train, test, 40, neighbors) == pytest.approx(expected)


def test_labels_as_embedding_are_classified_whatever_their_length(rng):
    labels = rng.integers(4, size=400)
    vectors = np.eye(4)[labels] * 10 ** rng.uniform(-3, 3, size=(400, 1))
    vectors += 1e-3 * np.abs(vectors).max(axis=1, keepdims=True) * rng.normal(size=(400, 4))
    train, test = _split(vectors[:200], labels[:200]), _split(vectors[200:], labels[200:])
    assert analysis.knn_accuracy(_flat, train, test, labels=40) == 100
    assert analysis.clustering_accuracy(_flat, train) == 100


def test_noise_is_classified_by_chance(rng):
    labels = rng.integers(4, size=1200)
    train, test = (_split(np.ones((600, 1)), own) for own in np.split(labels, 2))
    vectors = iter(rng.normal(size=(2, 600, 3)))
    assert 18 < analysis.knn_accuracy(lambda x: next(vectors)[: len(x)], train, test, 600) < 32
    assert 25 <= analysis.clustering_accuracy(_noise, train) < 34


def _chosen(labels, number, seed=0):
    """Indices of the labelled images."""
    given = []

    def embed(images):
        given.append(images[:, 0, 0, 0].astype(int).tolist())
        return images[:, 0, 0] + 1

    train = _split(np.arange(len(labels))[:, None], labels)
    analysis.knn_accuracy(embed, train, _split([[0]], [0]), number, 1, seed)
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
    measured = analysis.clustering_accuracy(_flat, _split(directions, labels), clusters)
    assert measured == pytest.approx(expected)


def test_each_cluster_has_one_class_and_each_class_one_cluster():
    found = [0] * 19 + [1] * 9
    labels = [0] * 10 + [1] * 9 + [0] * 9
    measured = analysis.clustering_accuracy(_flat, _split(np.eye(2)[found], labels))
    assert measured == pytest.approx(100 * 18 / 28)  # greedy 10 / 28, by majority 19 / 28


def test_a_constant_embedding_is_one_cluster():
    with pytest.warns(UserWarning, match="distinct clusters"):
        accuracy = analysis.clustering_accuracy(_flat, _split(np.zeros((8, 2)), [0] * 5 + [1] * 3))
    assert accuracy == pytest.approx(100 * 5 / 8)


# Mistakes

_SPLIT = _split(np.eye(50), [0, 1] * 25)
_EMPTY = _split(np.empty((0, 50)), [])
_MEASURES = (
    lambda embed: analysis.rotation_leakage(embed, _spot(50), 2),
    lambda embed: analysis.angle_probe(embed, _spot(50)),
    lambda embed: analysis.knn_accuracy(embed, _SPLIT, _SPLIT, 50),
    lambda embed: analysis.clustering_accuracy(embed, _SPLIT),
)


@pytest.mark.parametrize("measure", _MEASURES)
@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda x: x, r"50 images is float64 of shape \(50, .*expected .*\(50, m\)"),
        (lambda x: _flat(x)[:-1], r"shape \(49, .*\(50, m\)"),
        (lambda x: np.empty((len(x), 0)), r"shape \(50, 0\)"),
        (lambda x: _flat(x) + 1j, "complex128 .*real numbers"),
        (
            lambda x: np.where(np.eye(50)[:, :5] == 1, np.nan, _flat(x)[:, :5]),
            "5 of 50 .* not finite",
        ),
        (lambda x: np.full((len(x), 1), np.inf), "50 of 50 images is not finite"),
    ],
)
def test_embeddings_of_a_wrong_form_are_refused(measure, embed, message):
    with pytest.raises(ValueError, match=message):
        measure(embed)


@pytest.mark.parametrize("measure", _MEASURES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_embeddings_of_any_real_type_are_measured(measure, dtype):
    found = measure(lambda x: (100 * _flat(x) + 1).astype(dtype))
    assert math.isfinite(getattr(found, "ratio", found))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.rotation_leakage(_flat, _spot(3), 1), "angles=1; expected .*at least 2"),
        (lambda: analysis.rotation_leakage(_flat, _spot(3), 8.0), r"angles=8\.0; expected .*int"),
        (lambda: analysis.rotation_leakage(_flat, _spot(1)), "1 images .*at least two"),
        (lambda: analysis.rotation_leakage(_flat, _spot(3)[..., 0]), "four axes"),
        (lambda: analysis.angle_probe(_flat, _spot(39)), "39 images are too few.*at least 40"),
        (
            lambda: analysis.knn_accuracy(_flat, _SPLIT, _SPLIT),
            "labels=1000 of 50 training images of 2 classes. Choose from 2, .*to 50",
        ),
        (lambda: analysis.knn_accuracy(_flat, _SPLIT, _SPLIT, 1), "labels=1 .*Choose from 2"),
        (
            lambda: analysis.knn_accuracy(_flat, _SPLIT, _SPLIT, 4),
            "neighbors=5 of 4 labels. Choose from 1 to 4",
        ),
        (lambda: analysis.knn_accuracy(_flat, _SPLIT, _SPLIT, 4, 0), "neighbors=0"),
        (lambda: analysis.knn_accuracy(_flat, _SPLIT, _EMPTY, 40), "test split has 0 images"),
        (lambda: analysis.knn_accuracy(_flat, _EMPTY, _SPLIT, 40), "training split has 0 images"),
        (
            lambda: analysis.knn_accuracy(_flat, _split(np.eye(4), np.eye(4)), _SPLIT, 4),
            r"labels of shape \(4, 4\).*argmax",
        ),
        (lambda: analysis.clustering_accuracy(_flat, _EMPTY), "has 0 images"),
        (lambda: analysis.clustering_accuracy(_flat, _SPLIT, 0), "clusters=0 .*Choose 1 to 50"),
        (lambda: analysis.clustering_accuracy(_flat, _SPLIT, 51), "clusters=51 of 50 images"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("measure", _MEASURES[1:])
def test_a_missing_package_is_named(measure, monkeypatch):
    for module in ("ensemble", "neighbors", "cluster", "preprocessing"):
        monkeypatch.setitem(sys.modules, f"sklearn.{module}", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        measure(_flat)
