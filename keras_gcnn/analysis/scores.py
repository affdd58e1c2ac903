"""How good the probabilities of a classifier are: area under the curve, and reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """How often a classifier is right where it says how sure it is.

    Args:
        confidence: mean probability of the predicted class in each bin.
        accuracy: share of right predictions in each bin.
        count: number of images in each bin; bins without images are left out.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy."""
        distance = np.abs(self.confidence - self.accuracy)
        return float(np.average(distance, weights=self.count))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> Reliability:
    """Compares how sure a classifier is with how often it is right.

    Images are sorted into bins of equal width by the probability of the predicted class.

    Args:
        probabilities: array of shape `(n, classes)`.
        labels: indices of the true classes, of shape `(n,)`.
        bins: int, number of bins.

    Returns:
        A `Reliability`; its `error` is 0 for a classifier that is right as often as it says.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> sure = np.array([[0.9, 0.1]] * 10)
    >>> found = analysis.reliability(sure, np.array([0] * 9 + [1]))
    >>> round(found.error, 6)
    0.0

    References:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    sums = [np.bincount(place, weights=each, minlength=bins)[used] for each in (confidence, right)]
    return Reliability(sums[0] / count[used], sums[1] / count[used], count[used])


def area_under_curve(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the area under the receiver operating characteristic; of several classes the mean.

    Every class is told apart from all others. Classes without images, or with all of them, are left
    out.

    Args:
        probabilities: array of shape `(n, classes)`.
        labels: indices of the true classes, of shape `(n,)`.

    Returns:
        float, 1 for a perfect classifier and 0.5 for chance; NaN if there is one class only.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]])
    >>> analysis.area_under_curve(scores, np.array([0, 0, 1, 1]))
    0.75
    """
    from sklearn.metrics import roc_auc_score

    labels = np.asarray(labels)
    areas = []
    for number, scores in enumerate(np.asarray(probabilities).T):
        of_class = labels == number
        if 0 < of_class.sum() < len(labels):
            areas.append(roc_auc_score(of_class, scores))
    return float(np.mean(areas)) if areas else float("nan")
