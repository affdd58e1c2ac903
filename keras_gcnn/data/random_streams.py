"""Reproducible random choices, independent of each other and of NumPy's global state."""

from __future__ import annotations

import numpy as np

# One stream of random numbers per choice, so that changing one does not change the others.
STREAMS = (
    "validation",
    "subset",
    "test_subset",
    "train_angles",
    "test_angles",
    "published_split",
    "pool",
    "pool_angles",
)


def generator(seed: int, stream: str) -> np.random.Generator:
    """Returns a generator of random numbers that depend only on the seed and the stream.

    Args:
        seed: int, not negative.
        stream: one of `STREAMS`.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream),)))


def pick(
    count: int, labels: np.ndarray, rng: np.random.Generator, stratify: bool = False
) -> np.ndarray:
    """Marks `count` items chosen at random; a larger count marks the same items and more.

    Args:
        count: int, from 0 to the number of items.
        labels: integer array of shape `(n,)`.
        rng: source of the random numbers.
        stratify: bool, whether every class keeps its proportion, to within one item.

    Returns:
        bool array of shape `(n,)` with `count` true entries.
    """
    order = rng.permutation(len(labels))
    if stratify:
        shuffled = labels[order]
        place = np.empty(len(labels))
        for label in np.unique(labels):
            members = np.flatnonzero(shuffled == label)
            # Item r of m is placed at (r + 1/2) / m: sorted by place, classes interleave evenly.
            place[members] = (np.arange(len(members)) + 0.5) / len(members)
        order = order[np.argsort(place, kind="stable")]
    chosen = np.zeros(len(labels), bool)
    chosen[order[:count]] = True
    return chosen
