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


PAIRS = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]])
LABELS = np.array([0, 0, 1, 1])


def test_labels_may_be_a_column():
    column = LABELS[:, None]
    assert analysis.area_under_curve(PAIRS, column) == 0.75
    assert analysis.reliability(PAIRS, column).error == analysis.reliability(PAIRS, LABELS).error
    assert worst_errors(column, PAIRS).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (PAIRS[:, :1], LABELS, "shape \\(4, 1\\) and has to .*sigmoid give np.stack"),
        (PAIRS[:, 0], LABELS, "probabilities has shape \\(4,\\)"),
        (4 * PAIRS - 2, LABELS, "from -1.6 to 1.6.*Apply a softmax"),
        (PAIRS, np.eye(2)[LABELS], "labels has shape \\(4, 2\\).*np.argmax"),
        (PAIRS, LABELS[:3], "labels has shape \\(3,\\)"),
        (PAIRS, LABELS + 1, "such as .*2.* has to hold indices of the 2 classes, 0 to 1"),
    ],
)
def test_what_are_no_probabilities_or_labels_is_refused(probabilities, labels, message):
    for function in (analysis.area_under_curve, analysis.reliability):
        with pytest.raises(ValueError, match=message):
            function(probabilities, labels)
    with pytest.raises(ValueError, match=message):
        analysis.plot_worst_errors(np.zeros((4, 3, 3, 1)), labels, probabilities, ["a", "b"])


def test_there_has_to_be_a_bin():
    with pytest.raises(ValueError, match="bins=0 has to be a positive integer"):
        analysis.reliability(PAIRS, LABELS, bins=0)


def test_the_surest_errors_come_first():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert worst_errors(np.array([1, 1, 1, 0]), probabilities).tolist() == [0, 3, 1]
    figure = analysis.plot_worst_errors(
        np.zeros((4, 3, 3, 1)), np.array([1, 1, 1, 0]), probabilities, ["a", "b"], most=2
    )
    assert [axes.get_title() for axes in figure.axes] == ["b\nsaid a, 90%", "a\nsaid b, 70%"]
