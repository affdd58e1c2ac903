"""Measures of an embedding: what it keeps of an image, and whether it forgets how it is turned.

An embedding is a function from images, `(n, rows, columns, channels)`, to vectors, `(n, m)`, NumPy
in and out, e.g. `lambda images: encoder.predict(images, verbose=0)`. It is given all images at once
and should give the same vector whenever it is given the same image: the mean, not a sample.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from keras_gcnn.data import Split, random_angles, rotate

Embedding = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RotationLeakage:
    """How far an embedding mu moves as its images x turn by g.

    Args:
        ratio: float, `over_angles / over_images`: 0 if the embedding is invariant, `inf` if it
            depends on the angle alone, NaN if it is constant.
        largest: float, largest geodesic distance between the unit vectors of an image and of the
            same image turned, radians from 0 to pi; NaN if a vector is 0, which has no direction.
        average: float, mean of these distances, over the images and all turns but that by 0.
        over_angles: float, `E_x Var_g[mu(g x)]`.
        over_images: float, `Var_x E_g[mu(g x)]`.
    """

    ratio: float
    largest: float
    average: float
    over_angles: float
    over_images: float


def rotation_leakage(embed: Embedding, images: np.ndarray, angles: int = 16) -> RotationLeakage:
    """Measures `R = E_x Var_g[mu(g x)] / Var_x E_g[mu(g x)]` of an embedding mu.

    Var is the trace of the covariance, the mean squared distance from the mean. Turned images are
    interpolated and lose their corners: what is invariant on the plane has a small R, not 0.

    Args:
        embed: function from images to vectors `(n, m)`.
        images: array of shape `(n, rows, columns, channels)`, at least two images.
        angles: int, at least 2, number of turns, equally spaced over the circle from 0 on.

    Raises:
        ValueError: if images or angles are fewer than two, a shape is wrong or a vector not finite.
        ImportError: if SciPy is not installed.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> images = data.load("digits").test.images[:50]
    >>> mean = analysis.rotation_leakage(lambda x: x.mean(axis=(1, 2)), images)
    >>> pixels = analysis.rotation_leakage(lambda x: x.reshape(len(x), -1), images)
    >>> mean.ratio < 0.01 < 0.5 < pixels.ratio
    True
    """
    if not isinstance(angles, (int, np.integer)) or angles < 2:
        raise ValueError(
            f"angles={angles!r}; expected a number of equally spaced turns, an int of at least 2."
        )
    if len(images) < 2:
        raise ValueError(f"{len(images)} images have no variance. Give at least two.")
    turns = np.arange(angles) * 360 / angles
    vectors = np.stack([_vectors(embed, rotate(images, turn)) for turn in turns])  # (angles, n, m)
    # Equal values differ by exactly 0, whereas their variance may be left with a rounding error.
    over_angles = (vectors - vectors[0]).var(axis=0).sum(axis=-1).mean()
    means = vectors.mean(axis=0)
    over_images = (means - means[0]).var(axis=0).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = over_angles / over_images

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, np.nan)
    apart = np.linalg.norm(units - units[0], axis=-1)
    # Unlike the arccosine of a product, accurate for small angles too.
    distances = 2 * np.arctan2(apart, np.linalg.norm(units + units[0], axis=-1))[1:]
    measured = (ratio, distances.max(), distances.mean(), over_angles, over_images)
    return RotationLeakage(*map(float, measured))


def knn_accuracy(
    embed: Embedding,
    train: Split,
    test: Split,
    labels: int = 1000,
    neighbors: int = 5,
    seed: int = 0,
) -> float:
    """Measures how well a few labels and the nearest neighbours classify an embedding.

    Neighbours are near by the cosine between vectors and have one vote each; of classes with equal
    votes, the lower label wins. A vector of zeros counts as at a right angle to all others.

    Args:
        embed: function from images to vectors `(n, m)`.
        train: `Split` that the labelled images are drawn from.
        test: `Split` to classify, for instance of turned images.
        labels: int, number of labelled images, from that of the classes to that of the images.
            Classes differ by at most one if they can; with the same seed, fewer are part of more.
        neighbors: int, from 1 to `labels`.
        seed: int that is not negative, for the choice of the labelled images.

    Returns:
        Accuracy on the test split, in percent.

    Raises:
        ValueError: if a number is out of range, a shape is wrong or a vector not finite.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> digits = data.load("digits")
    >>> pixels = lambda images: images.reshape(len(images), -1)
    >>> analysis.knn_accuracy(pixels, digits.train, digits.test, labels=200) > 80
    True

    References:
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders": 100, 600, 1000 labels.
    """
    known, expected = _labels("training", train), _labels("test", test)
    classes = len(np.unique(known))
    if not classes <= labels <= len(known):
        raise ValueError(
            f"labels={labels} of {len(known)} training images of {classes} classes. Choose from "
            f"{classes}, one of each class, to {len(known)}."
        )
    if not 1 <= neighbors <= labels:
        raise ValueError(f"neighbors={neighbors} of {labels} labels. Choose from 1 to {labels}.")
    chosen = _balanced_choice(known, labels, seed)
    classifier = _scikit_learn("neighbors").KNeighborsClassifier(neighbors, metric="cosine")
    classifier.fit(_vectors(embed, train.images[chosen]), known[chosen])
    return 100 * float(np.mean(classifier.predict(_vectors(embed, test.images)) == expected))


def angle_probe(embed: Embedding, images: np.ndarray, seed: int = 0) -> float:
    """Measures how much of the angle by which images are turned can be read from an embedding.

    Every image is turned once, by a random angle. Probes learn to tell `p = (cos angle, sin angle)`
    from the vector on one half of the images, and are measured on the other, held-out half:
    `R^2 = 1 - sum |p - predicted p|^2 / sum |p - mean p|^2`.

    Extremely randomised trees and a network with two hidden layers are tried; the better counts.
    Both see the principal components of the vectors at equal variance, to find small leaks in any
    direction; what varies by less than 1e-5 of the vectors' length is rounding, and left out.

    Args:
        embed: function from images to vectors `(n, m)`.
        images: array of shape `(n, rows, columns, channels)`, at least 40 images and better some
            thousands; upright ones, as of turned ones nobody can say by how much more they turned.
        seed: int that is not negative, for the angles, the halves and the probes.

    Returns:
        R^2: 1 if the angle can be read off, about 0 or below if nothing of it is found.

    Raises:
        ValueError: if images are fewer than 40, a shape is wrong or a vector is not finite.
        ImportError: if SciPy or scikit-learn is not installed.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> images = data.load("digits").test.images[:100]
    >>> analysis.angle_probe(lambda x: x.mean(axis=(1, 2)), images) < 0.1
    True
    """
    if len(images) < 40:
        raise ValueError(f"{len(images)} images are too few. Give at least 40, better thousands.")
    rng = np.random.default_rng([seed, 1])  # the images may have been drawn with the seed alone
    degrees = random_angles(len(images), rng)
    vectors = _vectors(embed, rotate(images, degrees))
    angles = np.deg2rad(degrees)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    learnt, held_out = np.array_split(rng.permutation(len(images)), 2)
    components = _principal_components(vectors, learnt)
    trees = _scikit_learn("ensemble").ExtraTreesRegressor(min_samples_leaf=5, random_state=seed)
    network = _scikit_learn("neural_network").MLPRegressor(
        hidden_layer_sizes=(128, 128), early_stopping=True, max_iter=500, random_state=seed
    )
    spread = np.sum((points[held_out] - points[held_out].mean(axis=0)) ** 2)
    errors = []
    for probe in (trees, network):
        predicted = probe.fit(components[learnt], points[learnt]).predict(components[held_out])
        errors.append(np.sum((points[held_out] - predicted) ** 2))
    return float(1 - min(errors) / spread)


def clustering_accuracy(
    embed: Embedding, split: Split, clusters: int | None = None, seed: int = 0
) -> float:
    """Measures how well clusters of an embedding agree with the classes.

    The clusters are those of k-means on the vectors scaled to unit length (zeros stay zeros), the
    best of ten starts. Each is given to one class at most, and each class to one cluster, such that
    most images agree; images of clusters left over count as wrong.

    Args:
        embed: function from images to vectors `(n, m)`.
        split: `Split` to cluster; its labels only match and judge the clusters.
        clusters: int, from 1 to the number of images; default the number of classes in the split.
        seed: int that is not negative, for the starts.

    Returns:
        Images in the cluster of their class, in percent.

    Raises:
        ValueError: if `clusters` is out of range, a shape is wrong or a vector is not finite.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> from keras_gcnn import analysis, data
    >>> pixels = lambda images: images.reshape(len(images), -1)
    >>> 50 < analysis.clustering_accuracy(pixels, data.load("digits").test) < 95
    True

    References:
        Xie, Girshick & Farhadi 2016, "Unsupervised Deep Embedding for Clustering Analysis".
    """
    names, known = np.unique(_labels("given", split), return_inverse=True)
    clusters = len(names) if clusters is None else clusters
    if not 1 <= clusters <= len(known):
        raise ValueError(f"clusters={clusters} of {len(known)} images. Choose 1 to {len(known)}.")
    units = _scikit_learn("preprocessing").normalize(_vectors(embed, split.images))
    k_means = _scikit_learn("cluster").KMeans(clusters, n_init=10, random_state=seed)
    from scipy.optimize import linear_sum_assignment  # there if scikit-learn is

    counts = np.zeros((clusters, len(names)), dtype=int)
    np.add.at(counts, (k_means.fit_predict(units), known), 1)
    return 100 * float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(known))


def _vectors(embed: Embedding, images: np.ndarray) -> np.ndarray:
    """The embedding of images in float64, checked."""
    vectors = np.asarray(embed(images))
    n = len(images)
    if vectors.ndim != 2 or len(vectors) != n or not vectors.size or np.iscomplexobj(vectors):
        raise ValueError(
            f"The embedding of {n} images is {vectors.dtype} of shape {vectors.shape}; expected a "
            f"vector of real numbers for each, ({n}, m). Flatten further axes."
        )
    vectors = vectors.astype("float64")
    if broken := np.count_nonzero(~np.isfinite(vectors).all(axis=-1)):
        raise ValueError(
            f"The embedding of {broken} of {n} images is not finite. Look for NaN in the images "
            "and in the weights of the model."
        )
    return vectors


def _labels(name: str, split: Split) -> np.ndarray:
    """The labels of a split, checked."""
    labels = np.asarray(split.labels)
    if not len(split) or labels.shape != (len(split),):
        raise ValueError(
            f"The {name} split has {len(split)} images and labels of shape {labels.shape}; expected"
            " at least one image, and one class each. Of one-hot labels, use argmax(axis=-1)."
        )
    return labels


def _balanced_choice(labels: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Indices of images drawn at random, as many of each class as there are."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), dtype=int)  # first of its class, second of its class, ...
    for one in np.unique(labels):
        own = labels[order] == one
        rank[own] = np.arange(np.count_nonzero(own))
    return order[np.argsort(rank, kind="stable")[:number]]


def _principal_components(vectors: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """Vectors in the axes of those at the indices `learnt`, along which these have variance 1."""
    mean = vectors[learnt].mean(axis=0)
    _, singular, axes = np.linalg.svd(vectors[learnt] - mean, full_matrices=False)
    # What varies less is rounding in float32, not information.
    kept = singular > 1e-5 * np.linalg.norm(vectors[learnt])
    if not kept.any():
        return np.zeros((len(vectors), 1))
    return (vectors - mean) @ axes[kept].T * np.sqrt(len(learnt)) / singular[kept]


def _scikit_learn(module: str) -> ModuleType:
    """A part of scikit-learn, which the layers do not need, so that it may be missing."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError("This measure needs scikit-learn: pip install scikit-learn.") from error
