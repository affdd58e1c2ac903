"""Cross-entropy and the Dice coefficient, for networks that predict masks."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_gcnn.arguments import is_integer, is_number
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
        ignore_class: int, the value of pixels that count nowhere, such as 255 or -1 for what nobody
            labelled; None if all pixels have a class.
        dtype: as in `keras.losses.Loss`.

    Call it with `(y_true, y_pred)`: classes from 0 to `classes - 1` of shape `(batch, rows,
    columns)`, perhaps with a last axis of 1, and logits `(batch, rows, columns, classes)`. With a
    single logit in place of several, `y_true` is 1 in the foreground and 0 elsewhere. It returns a
    number for each image before the reduction, so that weights are one for each image. An image
    with a pixel of another value, such as 255 or 0.5 in the foreground, has the loss NaN.

    Raises:
        ValueError: if an argument is impossible, masks and logits have shapes that do not belong
            together, or there are weights for pixels.

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
        *,
        ignore_class: int | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not (is_number(dice_weight) and 0 <= dice_weight < math.inf):
            raise ValueError(f"dice_weight={dice_weight!r} has to be a number from 0.")
        if not (is_number(smooth) and 0 < smooth < math.inf):
            raise ValueError(f"smooth={smooth!r} has to be a number above 0.")
        if not (ignore_class is None or is_integer(ignore_class)):
            raise ValueError(f"ignore_class={ignore_class!r} has to be an integer, or None.")
        self.dice_weight = dice_weight
        self.smooth = smooth
        self.ignore_class = ignore_class

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        shape = () if sample_weight is None else tuple(ops.convert_to_tensor(sample_weight).shape)
        if any(size != 1 for size in shape[1:]):
            raise ValueError(
                f"DiceCrossEntropy received weights of shape {shape}; it takes one for each "
                "image, of shape (batch,), since the Dice coefficient is that of an image. For "
                "pixels that shall not count use ignore_class."
            )
        if len(shape) > 1:  # Keras would multiply each weight by the losses of all images
            sample_weight = ops.reshape(sample_weight, (-1,))
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        logits = widened(ops.convert_to_tensor(y_pred))
        classes = logits.shape[-1]
        mask = _without_last_axis(ops.convert_to_tensor(y_true), logits)
        if classes == 1:  # the foreground's logit; that of the background is 0
            logits = ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
        true, counts = _one_hot(mask, logits, self.ignore_class)
        log_probabilities = ops.log_softmax(logits, axis=-1)
        cross_entropy = -ops.sum(true * log_probabilities, axis=(1, 2, 3)) / ops.maximum(
            ops.sum(counts, axis=(1, 2, 3)), 1
        )
        probabilities = counts * ops.exp(log_probabilities)
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
            "ignore_class": self.ignore_class,
        }


def _one_hot(mask: Tensor, logits: Tensor, ignore_class: int | None) -> tuple[Tensor, Tensor]:
    """Returns 1 for the class of every pixel, and 1 for the pixels that count.

    Args:
        mask: of shape `(batch, rows, columns)`.
        logits: of shape `(batch, rows, columns, classes)`.
        ignore_class: value of the pixels that do not count, or None.

    Returns:
        Tensors of shape `(batch, rows, columns, classes)` and `(batch, rows, columns, 1)`.
    """
    classes = ops.arange(logits.shape[-1], dtype=logits.dtype)
    values = ops.cast(mask, logits.dtype)[..., None]
    true = ops.cast(values == classes, logits.dtype)
    known = ops.any(values == classes, axis=-1, keepdims=True)
    counts = ops.ones_like(values)
    if ignore_class is not None:
        ignored = values == ignore_class
        true, counts = (ops.where(ignored, 0.0, tensor) for tensor in (true, counts))
        known = ops.logical_or(known, ignored)
    # Pixels without a class would count as no class at all, and the loss would reward a mask
    # without any foreground where the foreground is 255.
    return ops.where(known, true, float("nan")), counts


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
