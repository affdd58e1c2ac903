"""How good the probabilities of a classifier are: area under the curve, and reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_gcnn.arguments import check_count

_ROUNDING = 1e-2  # of probabilities in half precision


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


def check_scores(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities of shape `(n, classes)` and labels of shape `(n,)` as arrays.

    Raises:
        ValueError: if they are anything else, such as logits, one output of a sigmoid, or labels
            that are one-hot or those of other classes. NaN is let through.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities has shape {probabilities.shape} and has to have the shape "
            "(n, classes), with a column for each of two or more classes. Of a single output p of "
            "a sigmoid give np.stack([1 - p, p], axis=-1), with p of shape (n,)."
        )
    if (probabilities < -_ROUNDING).any() or (probabilities > 1 + _ROUNDING).any():
        raise ValueError(
            f"probabilities holds numbers from {probabilities.min():.3g} to "
            f"{probabilities.max():.3g}, and probabilities lie in [0, 1]. Apply a softmax to "
            "logits first."
        )
    count, classes = probabilities.shape
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise ValueError(
            f"labels has shape {labels.shape} and has to have the shape ({count},): the index of "
            "the true class of each image. Of one-hot labels give np.argmax(labels, axis=-1)."
        )
    if not np.isin(labels, np.arange(classes)).all():
        raise ValueError(
            f"labels holds values such as {labels[~np.isin(labels, np.arange(classes))][0]!r}, and "
            f"has to hold indices of the {classes} classes, 0 to {classes - 1}."
        )
    return probabilities, labels


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> Reliability:
    """Compares how sure a classifier is with how often it is right.

    Images are sorted into bins of equal width by the probability of the predicted class.

    Args:
        probabilities: array of shape `(n, classes)`.
        labels: indices of the true classes, of shape `(n,)`.
        bins: int, number of bins.

    Returns:
        A `Reliability`; its `error` is 0 for a classifier that is right as often as it says.

    Raises:
        ValueError: for other shapes, numbers beyond [0, 1], labels of other classes, or no bins.

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
    probabilities, labels = check_scores(probabilities, labels)
    bins = check_count("bins", bins)
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

    Raises:
        ValueError: for other shapes, numbers beyond [0, 1], or labels of other classes.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import analysis
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]])
    >>> analysis.area_under_curve(scores, np.array([0, 0, 1, 1]))
    0.75
    """
    probabilities, labels = check_scores(probabilities, labels)
    areas = [
        area_of_class(scores, labels == number) for number, scores in enumerate(probabilities.T)
    ]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")


def area_of_class(scores: np.ndarray, of_class: np.ndarray) -> float:
    """Returns the area under the curve of one class.

    Args:
        scores: array of shape `(n,)`, larger for images that are more likely of the class.
        of_class: bool array of shape `(n,)`, whether an image is of the class.

    Returns:
        float, NaN if no image is of the class, or every image.
    """
    from sklearn.metrics import roc_auc_score

    some = 0 < of_class.sum() < len(of_class)
    return float(roc_auc_score(of_class, scores)) if some else float("nan")
