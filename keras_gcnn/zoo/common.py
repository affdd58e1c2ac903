"""What the builders share: heads, the classifier, and checks of their arguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_gcnn import groups
from keras_gcnn.layers import GGlobalPooling


def check_shape(
    input_shape: Sequence[int], data_format: str, smallest: int
) -> tuple[int, int, int]:
    """Returns rows, columns and channels of an input shape, or raises a `ValueError`."""
    sizes = tuple(input_shape)
    if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(
            f"input_shape={input_shape} has to be three positive integers, e.g. (28, 28, 1)."
        )
    channels, *spatial = sizes if data_format == "channels_first" else (sizes[2], *sizes[:2])
    if min(spatial) < smallest:
        raise ValueError(
            f"input_shape={input_shape} is too small: this network needs at least {smallest} rows "
            "and columns."
        )
    return spatial[0], spatial[1], channels


def check_widths(widths: Sequence[int], length: int) -> tuple[int, ...]:
    """Returns the widths as a tuple, or raises a `ValueError`."""
    widths = tuple(widths)
    if len(widths) != length or not all(isinstance(one, int) and one > 0 for one in widths):
        raise ValueError(f"widths={widths} has to be {length} positive integers.")
    return widths


def pool_head(head: str, group: groups.Group, data_format: str) -> keras.Layer:
    """The layer between the feature maps and the dense layers, named `head`."""
    if head == "invariant":
        return GGlobalPooling("max", group, data_format=data_format, name="head")
    if head == "orientations":
        return keras.layers.GlobalAveragePooling2D(data_format=data_format, name="head")
    return keras.layers.Flatten(data_format=data_format, name="head")


def logits(classes: int, activation: str | None) -> keras.Layer:
    """The last layer, named `logits`, in full precision under a mixed policy."""
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes={classes!r} has to be a positive integer.")
    return keras.layers.Dense(
        classes,
        activation=activation,
        dtype=keras.config.dtype_policy().variable_dtype,
        name="logits",
    )


def load_weights(model: keras.Model, weights: str | os.PathLike | None) -> keras.Model:
    """Loads a weights or model file into a network; None leaves it as it is.

    Raises:
        ValueError: if there is no such file.
    """
    if weights is None:
        return model
    if not Path(weights).is_file():
        raise ValueError(
            f"weights={str(weights)!r} is no file. Give the path of a .weights.h5 or .keras file "
            f"of this network, or None. No trained weights are published for {model.name} yet."
        )
    model.load_weights(weights)
    return model
