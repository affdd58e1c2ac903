"""How layers that belong in front of the first convolution act on images and maps."""

from __future__ import annotations

from typing import Any

import keras

from keras_gcnn.rewriting.equivariant.map_rules import check_axis
from keras_gcnn.rewriting.equivariant.roles import Role
from keras_gcnn.rewriting.equivariant.translator import GroupTranslator
from keras_gcnn.types import Tensor


def image_only(translator: GroupTranslator, *args: Any, **kwargs: Any) -> Tensor:
    """Keeps a layer in front of the first convolution."""
    if any(
        isinstance(each, keras.KerasTensor) and translator.role(each) is Role.ON_GROUP
        for each in keras.tree.flatten((args, kwargs))
    ):
        raise translator.fail(
            "acts on images, and stands behind a convolution", "Put it in front of the first one."
        )
    return translator.keep(*args, **kwargs)


def normalization(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps the normalisation of images by statistics of data, one for each channel."""
    if translator.layer.axis not in (None, ()):
        check_axis(translator, inputs)
    return image_only(translator, inputs)


def resizing(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps a layer that makes images or maps of a given size, and reports where it is uneven."""
    layer, group = translator.layer, translator.group
    target = (layer.height, layer.width)
    if group.swaps_axes and target[0] != target[1]:
        raise translator.fail(
            f"makes {target[0]} x {target[1]} positions, and quarter turns exchange rows and "
            "columns",
            'Use equal sizes, or a group without quarter turns, such as "pmm".',
        )
    first = 2 if translator.channel_axis == 1 else 1
    sizes = tuple(inputs.shape[first : first + 2])
    if None in sizes:
        return translator.keep(inputs)
    left = _left_by_cropping(layer, sizes, target)
    for size, rest, new, turns in zip(sizes, left, target, group.reverses_axis, strict=True):
        if not turns:
            continue
        if (size - rest) % 2:
            change = "cuts off" if size > rest else "adds"
            problem = f"{change} one row or column more at one border of {size} than at the other"
            translator.report(problem, "use sizes that differ by an even number")
        elif getattr(layer, "interpolation", "") == "nearest" and _has_ties(size, new):
            problem = f"takes the nearest of {size} rows or columns where two are equally near"
            translator.report(problem, 'use interpolation="bilinear"')
    return translator.keep(inputs)


def _left_by_cropping(
    layer: keras.Layer, sizes: tuple[int, int], target: tuple[int, int]
) -> tuple[int, int]:
    """Returns the sizes after what is cut off, or added, before the rest is resized."""
    (rows, columns), (new_rows, new_columns) = sizes, target
    wanted = int(columns * new_rows / new_columns), int(rows * new_columns / new_rows)
    if getattr(layer, "pad_to_aspect_ratio", False):
        return max(rows, wanted[0]), max(columns, wanted[1])
    if isinstance(layer, keras.layers.Resizing) and not layer.crop_to_aspect_ratio:
        return sizes
    larger = rows >= new_rows and columns >= new_columns
    if isinstance(layer, keras.layers.RandomCrop):  # at inference it resizes alone
        return sizes
    if larger and isinstance(layer, keras.layers.CenterCrop):
        return target
    return min(rows, wanted[0]), min(columns, wanted[1])


def _has_ties(size: int, new: int) -> bool:
    """Whether the centre of a new row lies between two rows."""
    return any((2 * row + 1) * size % (2 * new) == 0 for row in range(new))


def rescaling(translator: GroupTranslator, inputs: Tensor) -> Tensor:
    """Keeps one factor and offset; several, one for each channel, are for images."""
    numbers = all(
        isinstance(value, int | float)
        for value in (translator.layer.scale, translator.layer.offset)
    )
    if numbers:
        return translator.keep(inputs)
    translator.check_axes([inputs])
    return image_only(translator, inputs)


_ON_IMAGES = (
    *("AugMix", "AutoContrast", "CutMix", "Equalization", "MixUp", "RandAugment"),
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast"),
    *("RandomElasticTransform", "RandomErasing", "RandomFlip"),
    *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomZoom", "Solarization"),
)

IMAGES = {
    **dict.fromkeys(_ON_IMAGES, image_only),
    "CenterCrop": resizing,
    "Normalization": normalization,
    "RandomCrop": resizing,
    "Rescaling": rescaling,
    "Resizing": resizing,
}
"""Rules by the names of stock classes."""
