"""Measures of an embedding: how well it separates images, and whether it ignores their rotation.

An embedding is a function from images, `(n, rows, columns, channels)`, to vectors, `(n, m)`, both
NumPy arrays, e.g. `lambda images: encoder.predict(images, verbose=0)`. It receives all images at
once and should be deterministic: return the mean of a latent variable, not a sample.
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
    """How far an embedding mu moves when its images x are rotated by g.

    Args:
        ratio: float, `over_angles / over_images`: 0 if the embedding is invariant, `inf` if it
            depends on the angle alone, NaN if it is constant.
        largest: float, largest geodesic distance between the unit vectors of an image and of the
            same image rotated, radians from 0 to pi; NaN if a vector is 0, which has no direction.
        average: float, mean of these distances over the images and all angles except 0.
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

    Var is the trace of the covariance, the mean squared distance from the mean. Rotated images are
    interpolated and lose their corners, so R is small but not 0 for a function that is invariant on
    the plane.

    Args:
        embed: function from images to vectors `(n, m)`.
        images: array of shape `(n, rows, columns, channels)`, at least two images.
        angles: int, at least 2, number of angles, equally spaced over the circle, from 0 on.

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
            f"angles={angles!r}; expected a number of equally spaced angles, an int of at least 2."
        )
    if len(images) < 2:
        raise ValueError(f"{len(images)} images have no variance. Give at least two.")
    degrees = np.arange(angles) * 360 / angles
    # Of shape (angles, n, m).
    vectors = np.stack([_vectors(embed, rotate(images, angle)) for angle in degrees])
    # Differences of equal values are exactly 0; their variance may have a rounding error.
    over_angles = (vectors - vectors[0]).var(axis=0).sum(axis=-1).mean()
    means = vectors.mean(axis=0)
    over_images = (means - means[0]).var(axis=0).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = over_angles / over_images

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, np.nan)
    apart = np.linalg.norm(units - units[0], axis=-1)
    # Unlike the arccosine of a product, this is accurate for small angles too.
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

    Neighbours are the vectors of the largest cosine and have one vote each; if classes have equally
    many votes, the lower label wins. A vector of zeros counts as orthogonal to all others.

    Args:
        embed: function from images to vectors `(n, m)`.
        train: `Split` from which the labelled images are drawn.
        test: `Split` to classify, for instance of rotated images.
        labels: int, number of labelled images, at least one per class. Classes get equally many,
            unless one has fewer images. With the same seed, a smaller choice is part of a larger
            one.
        neighbors: int, from 1 to `labels`.
        seed: non-negative int, seed of the choice of the labelled images.

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
    predicted = classifier.predict(_vectors(embed, np.asarray(test.images)))
    return 100 * float(np.mean(predicted == expected))


def angle_probe(embed: Embedding, images: np.ndarray, seed: int = 0) -> float:
    """Measures how well the angle by which images are rotated can be predicted from an embedding.

    Every image is rotated once, by a random angle. Probes learn to predict
    `p = (cos angle, sin angle)` from the vectors of one half of the images, and are measured on the
    other half: `R^2 = 1 - sum |p - predicted p|^2 / sum |p - mean p|^2`.

    The probes are extremely randomised trees and a network with two hidden layers; the better one
    counts. Both read the principal components of the vectors scaled to equal variance, so that they
    find small leaks in any direction. Components that vary by less than 1e-5 of the vectors' length
    are left out as rounding errors.

    Args:
        embed: function from images to vectors `(n, m)`.
        images: array of shape `(n, rows, columns, channels)`, at least 40 images, better
            thousands. They should be upright: no probe could predict an earlier rotation.
        seed: non-negative int, seed of the angles, the halves and the probes.

    Returns:
        R^2: 1 if the probe predicts the angle exactly, about 0 or below if it learns nothing.

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
    fitted, held_out = np.array_split(rng.permutation(len(images)), 2)
    components = _principal_components(vectors, fitted)
    trees = _scikit_learn("ensemble").ExtraTreesRegressor(min_samples_leaf=5, random_state=seed)
    network = _scikit_learn("neural_network").MLPRegressor(
        hidden_layer_sizes=(128, 128), early_stopping=True, max_iter=500, random_state=seed
    )
    spread = np.sum((points[held_out] - points[held_out].mean(axis=0)) ** 2)
    errors = []
    for probe in (trees, network):
        predicted = probe.fit(components[fitted], points[fitted]).predict(components[held_out])
        errors.append(np.sum((points[held_out] - predicted) ** 2))
    return float(1 - min(errors) / spread)


def clustering_accuracy(
    embed: Embedding, split: Split, clusters: int | None = None, seed: int = 0
) -> float:
    """Measures how well clusters of an embedding agree with the classes.

    The clusters are those of k-means on the vectors scaled to unit length (zeros stay zeros), the
    best of ten starts. Clusters and classes are matched one to one, so that as many images as
    possible agree; images of unmatched clusters count as wrong.

    Args:
        embed: function from images to vectors `(n, m)`.
        split: `Split` to cluster; its labels are used only to match and judge the clusters.
        clusters: int, from 1 to the number of images; default the number of classes in the split.
        seed: non-negative int, seed of the starts.

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
    units = _scikit_learn("preprocessing").normalize(_vectors(embed, np.asarray(split.images)))
    k_means = _scikit_learn("cluster").KMeans(clusters, n_init=10, random_state=seed)
    from scipy.optimize import linear_sum_assignment  # scikit-learn requires it

    counts = np.zeros((clusters, len(names)), dtype=int)
    np.add.at(counts, (k_means.fit_predict(units), known), 1)
    return 100 * float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(known))


def _vectors(embed: Embedding, images: np.ndarray) -> np.ndarray:
    """Returns the embedding of images in float64, checked."""
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
    """Returns the labels of a split, checked."""
    labels = np.asarray(split.labels)
    if not len(split) or labels.shape != (len(split),):
        raise ValueError(
            f"The {name} split has {len(split)} images and labels of shape {labels.shape}; expected"
            " at least one image, and one class each. For one-hot labels, use argmax(axis=-1)."
        )
    return labels


def _balanced_choice(labels: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Returns the indices of random images, equally many of each class if it has enough."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), dtype=int)  # first of its class, second of its class, ...
    for label in np.unique(labels):
        in_class = labels[order] == label
        rank[in_class] = np.arange(np.count_nonzero(in_class))
    return order[np.argsort(rank, kind="stable")[:number]]


def _principal_components(vectors: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Returns the principal components of vectors, scaled to variance 1.

    Axes and scales are those of the vectors at the indices `fitted`.
    """
    mean = vectors[fitted].mean(axis=0)
    _, singular, axes = np.linalg.svd(vectors[fitted] - mean, full_matrices=False)
    # Smaller variation is rounding in float32, not information.
    kept = singular > 1e-5 * np.linalg.norm(vectors[fitted])
    if not kept.any():
        return np.zeros((len(vectors), 1))
    return (vectors - mean) @ axes[kept].T * np.sqrt(len(fitted)) / singular[kept]


def _scikit_learn(module: str) -> ModuleType:
    """Returns a module of scikit-learn, which only these measures need."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError("This measure needs scikit-learn: pip install scikit-learn.") from error
