"""Batches in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.data import Split, rotate


def binarize(images: np.ndarray, seed: int | list[int]) -> np.ndarray:
    """Black and white images: the value of a pixel is its chance of being white."""
    chances = np.random.default_rng(seed).random(images.shape, dtype="float32")
    return (chances < images).astype(images.dtype)


class ShuffledBatches(keras.utils.PyDataset):
    """Training batches; a run that is resumed sees the ones it would have seen.

    Args:
        split: images and labels.
        batch_size: int; the last batch of an epoch may be smaller.
        seed: int.
        rotate: bool, whether every image is turned by a random angle, anew in every epoch.
        binarize: bool, whether every image is made black and white, anew in every epoch.
        straighten: bool, whether images are turned likewise and come with the upright ones.
        labels: bool, whether batches have them; else they are a tuple of images alone, or of the
            turned and the upright ones.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        seed: int,
        rotate: bool = False,
        *,
        binarize: bool = False,
        straighten: bool = False,
        labels: bool = True,
    ):
        super().__init__()
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.rotate = rotate
        self.binarize = binarize
        self.straighten = straighten
        self.labels = labels
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the angles of an epoch, counted from 0."""
        generator = np.random.default_rng([self.seed, epoch])
        self._epoch = epoch
        self._order = generator.permutation(len(self.split))
        self._angles = generator.uniform(0, 360, len(self.split))

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        upright = images = self.split.images[chosen]
        if self.rotate or self.straighten:
            images = rotate(images, self._angles[chosen])
        if self.binarize:
            # By index: Keras may ask for batches in any order.
            images = binarize(images, [self.seed, self._epoch, index])
        if self.labels:
            return images, self.split.labels[chosen]
        return (images, upright) if self.straighten else (images,)
