"""Areas under curves and reliability against counts by hand."""

import numpy as np
import pytest

from keras_gcnn import analysis
from keras_gcnn.analysis.plots.classification import worst_errors

pytestmark = pytest.mark.backend_free


def test_the_area_is_the_share_of_pairs_in_the_right_order(rng):
    labels = rng.integers(0, 3, 60)
    scores = rng.dirichlet(np.ones(3), 60).round(1)  # with ties
    areas = []
    for number in range(3):
        inside, outside = (scores[labels == number, number], scores[labels != number, number])
        pairs = inside[:, None] - outside[None, :]
        areas.append(np.mean((pairs > 0) + (pairs == 0) / 2))
    assert analysis.area_under_curve(scores, labels) == pytest.approx(np.mean(areas))
    assert np.isnan(analysis.area_under_curve(scores, np.zeros(60, int)))


def test_the_calibration_error_is_the_mean_distance_in_the_bins(rng):
    confidence = rng.uniform(0.5, 1, 200)
    probabilities = np.stack([confidence, 1 - confidence], axis=-1)
    labels = rng.integers(0, 2, 200)
    total = 0.0
    for low in np.arange(0.5, 1, 0.1):
        inside = (confidence >= low) & (confidence < low + 0.1)
        total += abs(confidence[inside].sum() - (labels[inside] == 0).sum())
    found = analysis.reliability(probabilities, labels)
    assert found.error == pytest.approx(total / 200)
    assert found.count.sum() == 200
    certain = analysis.reliability(np.eye(2), np.array([0, 1]))  # at the upper edge
    assert certain.error == 0


def test_the_surest_errors_come_first():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert worst_errors(np.array([1, 1, 1, 0]), probabilities).tolist() == [0, 3, 1]
    figure = analysis.plot_worst_errors(
        np.zeros((4, 3, 3, 1)), np.array([1, 1, 1, 0]), probabilities, ["a", "b"], most=2
    )
    assert [axes.get_title() for axes in figure.axes] == ["b\nsaid a, 90%", "a\nsaid b, 70%"]
