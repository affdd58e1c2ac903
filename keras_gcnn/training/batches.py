"""Batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.data import Split, rotate


class ShuffledBatches(keras.utils.PyDataset):
    """Training batches; a run that is resumed sees the ones it would have seen.

    Args:
        split: images and labels.
        batch_size: int; the last batch of an epoch may be smaller.
        seed: int.
        rotate: bool, whether every image is turned by a random angle, anew in every epoch.
    """

    def __init__(self, split: Split, batch_size: int, seed: int, rotate: bool = False):
        super().__init__()
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.rotate = rotate
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the angles of an epoch, counted from 0."""
        generator = np.random.default_rng([self.seed, epoch])
        self._order = generator.permutation(len(self.split))
        self._angles = generator.uniform(0, 360, len(self.split))

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.split.images[chosen]
        if self.rotate:
            images = rotate(images, self._angles[chosen])
        return images, self.split.labels[chosen]
