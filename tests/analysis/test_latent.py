"""How much of an image's rotation angle an embedding keeps."""

import itertools
import math
import warnings

import numpy as np
import pytest

from keras_gcnn import analysis
from keras_gcnn.data import random_angles, rotate
from tests.helpers.embeddings import direction, flat, noise, spot

pytestmark = pytest.mark.backend_free


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
        return np.tanh(flat(images) @ weights) + 0.2

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
        found = analysis.rotation_leakage(lambda x: np.full((len(x), 3), value), spot(7), 11)
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
        found = analysis.rotation_leakage(embed, spot(7), 6)
    assert found.ratio == math.inf
    assert found.over_angles == pytest.approx(1)
    assert found.largest == pytest.approx(np.pi)
    assert found.average == pytest.approx(np.pi * (1 + 2 + 3 + 2 + 1) / 15)


def test_small_distances_are_accurate():
    calls = itertools.count()
    found = analysis.rotation_leakage(
        lambda x: np.tile([2.0, 2e-11 * next(calls)], (len(x), 1)), spot(3), 2
    )
    assert found.largest == pytest.approx(1e-11, rel=1e-5)


def test_rings_leak_less_than_pixels():
    images = spot(6)
    rows, columns = np.mgrid[-7:8, -7:8]
    ring = np.rint(np.hypot(rows, columns)).astype(int)

    def rings(images):
        return np.stack([images[:, ring == r].sum(axis=(1, 2)) for r in range(8)], 1)

    assert analysis.rotation_leakage(rings, images).ratio < 0.05
    assert analysis.rotation_leakage(flat, images).ratio > 1
    assert analysis.angle_probe(rings, spot(300)) < 0.1


# Angle


def test_an_embedding_of_the_angle_gives_it_away():
    assert analysis.angle_probe(direction, spot(200)) > 0.95


def test_nothing_is_found_where_nothing_is():
    images = spot(200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for embed in (noise, lambda x: noise(x, 150), lambda x: np.ones((len(x), 3))):
            assert -1 < analysis.angle_probe(embed, images) < 0.1


def test_a_small_leak_in_an_odd_direction_is_found_but_rounding_is_not():
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]

    def leaking(scale):
        return lambda x: np.concatenate([scale * direction(x), noise(x, 4)], 1) @ axes

    assert analysis.angle_probe(leaking(1e-2), spot(400)) > 0.8
    assert analysis.angle_probe(leaking(1e-7), spot(400)) < 0.1


def test_a_leak_among_noise_of_its_own_size_is_found():
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]

    def embed(images):
        mixed = np.concatenate([direction(images), 0.7 * noise(images, 4)], 1) @ axes
        return np.concatenate([0.01 * mixed, noise(images, 3, seed=6)], 1)

    assert analysis.angle_probe(embed, spot(400)) > 0.85


def test_the_probe_is_tested_on_other_images_than_it_learnt_from(monkeypatch):
    images, n = spot(51), 51
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
        return flat(images)

    constants = ((0.3, -0.2), (0.1, 0.05))
    monkeypatch.setattr("keras_gcnn.analysis.embeddings.random_angles", draw)
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


def test_images_drawn_with_the_same_seed_leak_nothing():
    brightness = np.random.default_rng(3).uniform(size=(200, 1, 1, 1))
    images = np.broadcast_to(brightness, (200, 5, 5, 1))
    assert analysis.angle_probe(lambda x: x[:, 2, 2], images, seed=3) < 0.1


def test_the_same_seed_gives_the_same_probe():
    images = spot(60)
    first, again, other = (analysis.angle_probe(flat, images, seed) for seed in (1, 1, 2))
    assert first == again != other
