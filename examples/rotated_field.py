"""Plots a field of a network on P4 for a digit, and for the same digit rotated by 90 degrees.

python examples/rotated_field.py rotated_field.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_gcnn import groups, zoo
from keras_gcnn.data import load

TURN = 1  # the element of P4 that is one quarter turn


def maps_of_field(images: np.ndarray, field: int) -> np.ndarray:
    """Computes a field of the first convolution of a trained network.

    Returns:
        Array of shape `(n, rows, columns, 4)`: a map for each orientation of the filter.
    """
    network = zoo.cohen_cnn(group="p4", weights="mnist")
    first = next(layer for layer in network.layers if "conv" in layer.name)
    maps = keras.ops.convert_to_numpy(keras.Model(network.input, first.output)(images))
    return maps[..., 4 * field : 4 * field + 4]


def plot(path: Path, field: int = 0, digit: int = 4) -> float:
    """Writes the plot.

    Args:
        path: image file to write.
        field: which field of the first convolution.
        digit: which digit to show.

    Returns:
        The largest difference between the field of the rotated digit, and the rotated field.
    """
    group = groups.get("p4")
    digits = load("digits").test
    upright = digits.images[digits.labels == digit][:1]
    images = np.concatenate([upright, group.act_on_plane(upright, TURN, axes=(1, 2))])
    maps = maps_of_field(images, field)
    expected = group.act_on_fibre(group.act_on_plane(maps[0], TURN, axes=(0, 1)), TURN)

    rows = (
        ("the digit", images[0], maps[0]),
        ("the digit, rotated", images[1], maps[1]),
        ("the maps of row 1,\nrotated and moved on", images[1], expected),
    )
    figure, axes = plt.subplots(3, 5, figsize=(8, 5.2), layout="constrained")
    for (name, image, field_maps), (first, *others) in zip(rows, axes, strict=True):
        first.imshow(image, cmap="gray_r")
        first.set_ylabel(name)
        for orientation, axis in enumerate(others):
            axis.imshow(
                field_maps[..., orientation], cmap="cividis", vmin=maps.min(), vmax=maps.max()
            )
    for axis, element in zip(axes[0], ("image", *group.elements), strict=True):
        axis.set_title(element if element == "image" else f"orientation {element}")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return float(abs(maps[1] - expected).max() / abs(maps).max())


def main(arguments: list[str] | None = None) -> None:
    """Reads the options, and plots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="image file to write")
    parser.add_argument("--field", type=int, default=0, help="which field of the first convolution")
    parser.add_argument("--digit", type=int, default=4, help="which digit to show")
    options = parser.parse_args(arguments)
    error = plot(options.path, options.field, options.digit)
    print(f"Rows two and three differ by {error:.1e} of the largest value.")


if __name__ == "__main__":
    main()
