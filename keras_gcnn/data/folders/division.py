"""Divides images among splits: by class in proportion, and whole groups together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_gcnn.data.random_streams import generator, pick


def divide(
    count: int, classes: np.ndarray, groups: Sequence[str], seed: int, stream: str
) -> np.ndarray:
    """Marks about `count` images at random, the same ones for the same seed.

    Args:
        count: how many; with groups it is met as nearly as whole groups allow.
        classes: integer array of shape `(n,)`; every class keeps its proportion.
        groups: the group of each image, or "" for one of its own.
        seed: of the random numbers.
        stream: of the random numbers; see `keras_gcnn.data.random_streams`.

    Returns:
        bool array of shape `(n,)`.
    """
    rng = generator(seed, stream)
    if not any(groups):
        return pick(count, classes, rng, stratify=True)
    return _whole_groups(count, classes, groups, rng)


def _whole_groups(
    count: int, classes: np.ndarray, groups: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    """Takes one group after the other that brings the numbers of the classes nearer to theirs.

    The largest groups come first, since small ones can still fill what they leave.
    """
    alone = [group or f"\0{index}" for index, group in enumerate(groups)]
    names, members = np.unique(alone, return_inverse=True)
    table = np.zeros((len(names), int(classes.max(initial=0)) + 1))
    np.add.at(table, (members, classes), 1)
    missing = table.sum(axis=0) * count / len(classes)
    order = rng.permutation(len(names))
    order = order[np.argsort(-table.sum(axis=1)[order], kind="stable")]
    taken = np.zeros(len(names), bool)
    for group in order:
        left = missing - table[group]
        if np.square(left).sum() < np.square(missing).sum():
            taken[group], missing = True, left
    return taken[members]
