"""Images at known angles, and embeddings that keep a known part of them."""

import numpy as np

from keras_gcnn.data import Split


def spot(n, seed=0):
    """A soft spot to the right of the centre: its centroid has the angle of its rotation."""
    distance = np.random.default_rng(seed).uniform(2.5, 4, n)[:, None, None]
    rows, columns = np.mgrid[-7:8, -7:8]
    return np.exp(-((columns - distance) ** 2 + rows**2) / 4)[..., None]


def direction(images):
    """Cosine and sine of the angle of the centroid."""
    rows, columns = np.mgrid[-7:8, -7:8]
    sums = np.stack([(images[..., 0] * along).sum(axis=(1, 2)) for along in (columns, -rows)], 1)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def noise(images, m=8, seed=5):
    """Vectors that have nothing to do with the images."""
    return np.random.default_rng(seed).normal(size=(len(images), m))


def flat(images):
    return images.reshape(len(images), -1)


def split(vectors, labels):
    """Images that `flat` embeds as the vectors."""
    return Split(np.asarray(vectors, dtype=float)[:, None, None, :], np.asarray(labels))
