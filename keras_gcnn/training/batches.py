"""Batches in an order that depends only on the seed and the epoch."""

from __future__ import annotations

import keras
import numpy as np

from keras_gcnn.data import Split
from keras_gcnn.training import augmentation
from keras_gcnn.training.recipes.tables import AugmentTable


def binarize(images: np.ndarray, seed: int | list[int]) -> np.ndarray:
    """Returns black and white images: the value of a pixel is its probability of being white."""
    thresholds = np.random.default_rng(seed).random(images.shape, dtype="float32")
    return (thresholds < images).astype(images.dtype)


class ShuffledBatches(keras.utils.PyDataset):
    """Training batches, the same ones for a resumed run as for an uninterrupted one.

    Args:
        split: images and labels.
        batch_size: int; the last batch of an epoch may be smaller.
        seed: int.
        augment: how every image is changed at random, anew in every epoch; None for not at all.
        binarize: bool, whether every image is made black and white, anew in every epoch.
        straighten: bool, whether every image is rotated by a random angle, anew in every epoch,
            and comes with the upright image.
        labels: bool, whether batches have labels; otherwise a batch is a tuple of images, with
            `straighten` of rotated and upright images.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        seed: int,
        augment: AugmentTable | None = None,
        *,
        binarize: bool = False,
        straighten: bool = False,
        labels: bool = True,
    ):
        super().__init__()
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        # The images to straighten are rotated, and nothing else.
        self.augment = AugmentTable(rotate="any") if straighten else augment or AugmentTable()
        augmentation.check_fits(self.augment, split.images.shape[1:])
        self.binarize = binarize
        self.straighten = straighten
        self.labels = labels
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the poses of an epoch, which is counted from 0."""
        generator = np.random.default_rng([self.seed, epoch])
        self._epoch = epoch
        self._order = generator.permutation(len(self.split))
        self._poses = augmentation.draw_poses(generator, len(self.split), self.augment)

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        upright = self.split.images[chosen]
        images = augmentation.augment(upright, self._poses, chosen, self.augment)
        if self.binarize:
            # Seeded by index too, since Keras may ask for batches in any order.
            images = binarize(images, [self.seed, self._epoch, index])
        if self.labels:
            return images, self.split.labels[chosen]
        return (images, upright) if self.straighten else (images,)
