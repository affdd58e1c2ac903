"""Cross-entropy and the Dice coefficient, for networks that predict masks."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import is_number
from keras_gcnn.backend.ops import widened
from keras_gcnn.types import Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class DiceCrossEntropy(keras.losses.Loss):
    """Cross-entropy of the pixels and one minus the Dice coefficient, for maps of logits.

    Cross-entropy alone neglects classes of few pixels, and Dice alone has small gradients where
    all is wrong; most networks for masks are trained with the sum. With the probability `p` of a
    class in a pixel, and `t` 1 where it is the true class, the Dice coefficient of an image is

        (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth),

    summed over pixels, and its mean over classes is taken.

    Args:
        dice_weight: float, weight of the Dice part; 0 for cross-entropy alone.
        smooth: float above 0; a class that an image neither has nor is predicted to have has the
            coefficient 1.
        reduction: as in `keras.losses.Loss`.
        name: str.

    Call it with `(y_true, y_pred)`: classes from 0 to `classes - 1` of shape `(batch, rows,
    columns)`, perhaps with a last axis of 1, and logits `(batch, rows, columns, classes)`. With a
    single logit in place of several, `y_true` is 1 in the foreground and 0 elsewhere. It returns a
    number for each image before the reduction.

    Raises:
        ValueError: if `dice_weight` or `smooth` is no possible number, or masks and logits have
            shapes that do not belong together.

    Example:

    >>> import numpy as np
    >>> from keras_gcnn import losses
    >>> mask = np.array([[[0, 1], [1, 1]]])
    >>> logits = np.where(mask[..., None] == [0, 1], 9.0, -9.0)
    >>> round(float(losses.DiceCrossEntropy()(mask, logits)), 4)
    0.0

    References:
        Milletari et al. 2016, "V-Net", for the Dice coefficient as a loss; Isensee et al. 2021,
        "nnU-Net", for the sum.
    """

    def __init__(
        self,
        dice_weight: float = 1.0,
        smooth: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str = "dice_cross_entropy",
    ):
        super().__init__(name=name, reduction=reduction)
        if not (is_number(dice_weight) and 0 <= dice_weight < math.inf):
            raise ValueError(f"dice_weight={dice_weight!r} has to be a number from 0.")
        if not (is_number(smooth) and 0 < smooth < math.inf):
            raise ValueError(f"smooth={smooth!r} has to be a number above 0.")
        self.dice_weight = dice_weight
        self.smooth = smooth

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        logits = widened(ops.convert_to_tensor(y_pred))
        classes = logits.shape[-1]
        true = ops.cast(_without_last_axis(ops.convert_to_tensor(y_true), logits), "int32")
        if classes == 1:  # the foreground's logit; that of the background is 0
            logits = ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
        true = ops.one_hot(true, logits.shape[-1], dtype=logits.dtype)
        log_probabilities = ops.log_softmax(logits, axis=-1)
        cross_entropy = -ops.mean(ops.sum(true * log_probabilities, axis=-1), axis=(1, 2))
        probabilities = ops.exp(log_probabilities)
        if classes == 1:
            true, probabilities = true[..., 1:], probabilities[..., 1:]
        shared = ops.sum(true * probabilities, axis=(1, 2))
        total = ops.sum(true, axis=(1, 2)) + ops.sum(probabilities, axis=(1, 2))
        dice = ops.mean((2 * shared + self.smooth) / (total + self.smooth), axis=-1)
        return cross_entropy + self.dice_weight * (1 - dice)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dice_weight": self.dice_weight,
            "smooth": self.smooth,
        }


def _without_last_axis(masks: Tensor, logits: Tensor) -> Tensor:
    """Returns masks of shape `(batch, rows, columns)`; other shapes raise a `ValueError`."""
    given, of_logits = tuple(masks.shape), tuple(logits.shape)
    if len(given) == 4 and given[-1] == 1:
        masks, given = masks[..., 0], given[:-1]
    fits = len(given) == 3 and len(of_logits) == 4
    # Checked, since axes of 1 would be repeated without a word.
    if not fits or any(
        size != wanted
        for size, wanted in zip(given, of_logits[:3], strict=True)
        if None not in (size, wanted)
    ):
        raise ValueError(
            f"Masks of shape {given} do not fit logits of shape {of_logits}; expected integer "
            "classes (batch, rows, columns) and logits (batch, rows, columns, classes). Masks of "
            "zeros and ones per class become such classes by argmax, and channels come last."
        )
    return masks
