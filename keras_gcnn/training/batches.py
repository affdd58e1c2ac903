"""Batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.data import Split


class ShuffledBatches(keras.utils.PyDataset):
    """Training batches; a run that is resumed sees the ones it would have seen.

    Args:
        split: images and labels.
        batch_size: int; the last batch of an epoch may be smaller.
        seed: int.
    """

    def __init__(self, split: Split, batch_size: int, seed: int):
        super().__init__()
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order of an epoch, counted from 0."""
        self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.split))

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.split.images[chosen], self.split.labels[chosen]
