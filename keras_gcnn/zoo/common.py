"""What the builders share: heads, the classifier, and checks of their arguments."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_gcnn import groups
from keras_gcnn.layers import GGlobalPooling
from keras_gcnn.layers.arguments import as_counts


def check_shape(
    input_shape: Sequence[int], data_format: str, smallest: int
) -> tuple[int, int, int]:
    """Returns rows, columns and channels of an input shape, or raises a `ValueError`."""
    sizes = as_counts(input_shape)
    if len(sizes) != 3 or None in sizes:
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
    counts = as_counts(widths)
    if len(counts) != length or None in counts:
        raise ValueError(
            f"widths={widths!r} has to be {length} positive integers, or None for the default."
        )
    return counts


def pool_head(head: str, group: groups.Group, data_format: str) -> keras.Layer:
    """The layer between the feature maps and the dense layers, named `head`."""
    if head == "invariant":
        return GGlobalPooling("max", group, data_format=data_format, name="head")
    if head == "orientations":
        return keras.layers.GlobalAveragePooling2D(data_format=data_format, name="head")
    return keras.layers.Flatten(data_format=data_format, name="head")


def logits(classes: int, activation: str | None) -> keras.Layer:
    """The last layer, named `logits`, in full precision under a mixed policy."""
    return keras.layers.Dense(
        classes,
        activation=activation,
        dtype=keras.config.dtype_policy().variable_dtype,
        name="logits",
    )
