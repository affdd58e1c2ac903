"""Batches: in an order that depends only on the seed and the epoch, or in the order of the data."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from keras_gcnn.data import Split
from keras_gcnn.training.inputs import augmentation
from keras_gcnn.training.predictions.batches import inference_batch_size
from keras_gcnn.training.recipes.tables import AugmentTable

Pose = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Changes images: `(images, their indices in the split) -> images`."""


def binarize(images: np.ndarray, seed: int | list[int]) -> np.ndarray:
    """Returns black and white images: the value of a pixel is its probability of being white."""
    thresholds = np.random.default_rng(seed).random(images.shape, dtype="float32")
    return (thresholds < images).astype(images.dtype)


class OrderedBatches(keras.utils.PyDataset):
    """Images in their order, in batches, so that only those of a batch are in the memory.

    Args:
        split: images and labels.
        pose: function of the images of a batch and their indices that returns them in another pose;
            None for as they are.
        labels: bool, whether batches have labels; otherwise a batch is a tuple of images.
        batch_size: int; the last batch may be smaller. None for `inference_batch_size`.
    """

    def __init__(
        self,
        split: Split,
        pose: Pose | None = None,
        *,
        labels: bool = False,
        batch_size: int | None = None,
    ):
        super().__init__()
        self.split = split
        self.pose = pose
        self.labels = labels
        self.batch_size = batch_size or inference_batch_size(split.images.shape[1:])

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        first = index * self.batch_size
        chosen = np.arange(first, min(first + self.batch_size, len(self.split)))
        images = self.split.images[chosen]
        if self.pose is not None:
            images = self.pose(images, chosen)
        return (images, self.split.labels[chosen]) if self.labels else (images,)


class ShuffledBatches(keras.utils.PyDataset):
    """Training batches, the same ones for a resumed run as for an uninterrupted one.

    Args:
        split: images and labels; masks are changed as their images are.
        batch_size: int; the last batch of an epoch may be smaller.
        seed: int.
        augment: how every image is changed at random, anew in every epoch; None for not at all.
        binarize: bool, whether every image is made black and white, anew in every epoch.
        straighten: bool, whether every image is rotated by a random angle, anew in every epoch,
            and comes with the upright image.
        labels: bool, whether batches have labels; otherwise a batch is a tuple of images, with
            `straighten` of rotated and upright images.
        class_weights: array of shape `(classes,)` of the weight of an image by its label, which
            batches then have too; None for no weights.
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
        class_weights: np.ndarray | None = None,
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
        self.class_weights = class_weights
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
            labels = self.split.labels[chosen]
            if labels.ndim == 3:
                labels = self._augment_masks(labels, chosen)
            if self.class_weights is None:
                return images, labels
            return images, labels, self.class_weights[labels]
        return (images, upright) if self.straighten else (images,)

    def _augment_masks(self, masks: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Returns masks in the poses of their images; outside of these is the first class."""
        changed = augmentation.augment(
            masks[..., None], self._poses, chosen, self.augment, masks=True
        )
        return changed[..., 0].astype(masks.dtype)
